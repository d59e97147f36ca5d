"""PyTorch on CUDA as an engine of the benchmarks: torch_cuda.py eager|graph, float32 without TF32.

As a graph, the first three steps are eager, and the fourth is captured: the way that PyTorch's
documentation describes for a whole training step.
"""
import base64
import json
import sys
import time

import torch
from torch_engine import Model, decode, serve

torch.backends.cuda.matmul.allow_tf32 = False
torch.backends.cudnn.allow_tf32 = False


class Steps:
    """Training steps of the model, eager or as a CUDA graph."""

    def __init__(self, request, as_graph):
        self.model = Model(request, "cuda")
        # A graph can't read the number of the step from the processor.
        self.model.optimizer = torch.optim.Adam(
            self.model.p.values(), lr=request["sizes"]["learningRate"], capturable=as_graph
        )
        self.eager = 3 if as_graph else None
        self.graph = None
        self.stream = torch.cuda.Stream()

    def step(self):
        if self.eager is None:
            return self.model.step().item()
        if self.eager > 0:  # a stream of their own, as a capture needs
            self.eager -= 1
            self.stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self.stream):
                loss = self.model.step().item()
            torch.cuda.current_stream().wait_stream(self.stream)
            return loss
        if self.graph is None:
            self.graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graph):
                self.loss = self.model.step().detach()
        self.graph.replay()
        return self.loss.item()


def main(way):
    steps = a = b = None

    def load(request):
        nonlocal steps
        steps = Steps(request, way == "graph")

    def step(_):
        torch.cuda.synchronize()
        started = time.perf_counter()
        loss = steps.step()
        return {"loss": loss, "ms": (time.perf_counter() - started) * 1000}

    def matrices(request):
        nonlocal a, b
        n = request["n"]
        a, b = (decode(text).reshape(n, n).cuda() for text in request["values"])

    def multiply(request):
        torch.cuda.synchronize()
        started = time.perf_counter()
        for _ in range(request["repeats"]):
            product = a @ b
        product[0, 0].item()
        answer = {"ms": (time.perf_counter() - started) * 1000}
        if request.get("show"):
            answer["values"] = base64.b64encode(product.cpu().numpy().tobytes()).decode()
        return answer

    serve({"load": load, "step": step, "matrices": matrices, "multiply": multiply})


if "--probe" in sys.argv:
    print(json.dumps({"version": torch.__version__, "device": torch.cuda.get_device_name()}))
else:
    main(sys.argv[1])
