"""PyTorch with one thread as an engine of the benchmarks: reads JSON lines, writes JSON lines."""
import base64
import json
import math
import sys
import time

import torch
import torch.nn.functional as F


def blas():
    """The BLAS library that this process has loaded."""
    torch.mm(torch.ones(4, 4), torch.ones(4, 4))
    try:
        with open("/proc/self/maps") as maps:
            loaded = maps.read()
    except OSError:
        return "unknown BLAS"
    if "mkl" in loaded or torch.backends.mkl.is_available():
        return "MKL"
    if "openblas" in loaded:
        return "OpenBLAS"
    return "reference BLAS" if "/libblas.so" in loaded else "its own BLAS"


def rss():
    try:
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * 4096
    except OSError:
        return None


def decode(text, dtype=torch.float32):
    return torch.frombuffer(bytearray(base64.b64decode(text)), dtype=dtype)


class Model:
    """The RMT of the benchmarks."""

    def __init__(self, request, device="cpu"):
        self.sizes = s = request["sizes"]
        rows = s["segmentLength"] + 2 * s["memory"]
        self.p = {
            p["name"]: decode(p["data"]).reshape(p["shape"]).clone().to(device).requires_grad_()
            for p in request["parameters"]
        }
        shape = (s["batch"], s["segmentLength"])
        self.segments = [
            (
                decode(segment["inputs"], torch.int32).long().reshape(shape).to(device),
                decode(segment["targets"], torch.int32).long().to(device)
                if segment["counts"]
                else None,
            )
            for segment in request["segments"]
        ]
        self.hidden = decode(request["hidden"]).reshape(rows, rows).to(device)
        self.cos = decode(request["cos"]).reshape(rows, -1).to(device)
        self.sin = decode(request["sin"]).reshape(rows, -1).to(device)
        self.optimizer = torch.optim.Adam(self.p.values(), lr=s["learningRate"])

    def norm(self, x, name):
        return F.layer_norm(x, x.shape[-1:], self.p[name + ".weight"], self.p[name + ".bias"])

    def linear(self, x, name):
        return F.linear(x, self.p[name + ".weight"], self.p.get(name + ".bias"))

    def rotate(self, x, first=0):
        cos, sin = self.cos[first:], self.sin[first:]
        one, other = x.chunk(2, -1)
        return torch.cat([one * cos - other * sin, other * cos + one * sin], -1)

    def attention(self, x, name, first):
        """Attention of the rows from `first` on."""
        heads, width = self.sizes["nHead"], self.sizes["dHead"]
        weight = self.p[name + ".qkv.weight"]

        def by_head(rows):
            return rows.reshape(*rows.shape[:2], heads, width).transpose(1, 2)

        q = by_head(F.linear(x[:, first:], weight[: heads * width]))
        k, v = map(by_head, F.linear(x, weight[heads * width :]).chunk(2, -1))
        scores = self.rotate(q, first) @ self.rotate(k).transpose(-1, -2) / math.sqrt(width)
        attended = torch.softmax(scores + self.hidden[first:], -1) @ v
        return self.linear(attended.transpose(1, 2).flatten(2), name + ".output")

    def loss(self):
        s, p = self.sizes, self.p
        memory, length = s["memory"], s["segmentLength"]
        state = p["memory"].expand(s["batch"], -1, -1)
        total = 0
        for inputs, targets in self.segments:
            h = torch.cat([state, F.embedding(inputs, p["decoder.embedding"]), state], 1)
            first = memory + length if targets is None else memory  # the first row that is read
            for i in range(s["nLayer"]):
                name = f"decoder.layers.{i}"
                begin = first if i == s["nLayer"] - 1 else 0
                normed = self.norm(h, name + ".attentionNorm")
                h = h[:, begin:] + self.attention(normed, name + ".attention", begin)
                inner = self.linear(self.norm(h, name + ".feedForwardNorm"), name + ".feedForward.inner")
                h = h + self.linear(F.relu(inner), name + ".feedForward.outer")
            output = self.norm(h, "decoder.finalNorm")
            state = output[:, memory + length - first :]
            if targets is None:
                continue
            read = output[:, :length]
            logits = F.linear(read, p["decoder.embedding"], p["decoder.outputBias"])
            total = total + F.cross_entropy(
                logits.flatten(0, 1), targets, ignore_index=-100, reduction="sum"
            )
        return total / s["counted"]

    def step(self):
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.p.values(), self.sizes["clip"])
        self.optimizer.step()
        return loss


def serve(handlers):
    """Answers each JSON line by the handler that its `do` names."""
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = handlers[request["do"]](request) or {}
        except Exception as error:  # reported to the parent, which leaves this engine out
            answer = {"error": repr(error)}
        answer["rss"] = rss()
        print(json.dumps(answer), flush=True)


def main():
    torch.set_num_threads(1)
    model = a = b = None

    def load(request):
        nonlocal model
        model = Model(request)

    def step(_):
        started = time.perf_counter()
        loss = model.step().item()
        return {"loss": loss, "ms": (time.perf_counter() - started) * 1000}

    def matrices(request):
        nonlocal a, b
        n = request["n"]
        a, b = (decode(text).reshape(n, n) for text in request["values"])

    def multiply(request):
        started = time.perf_counter()
        for _ in range(request["repeats"]):
            product = a @ b
        product[0, 0].item()
        answer = {"ms": (time.perf_counter() - started) * 1000}
        if request.get("show"):
            answer["values"] = base64.b64encode(product.numpy().tobytes()).decode()
        return answer

    serve({"load": load, "step": step, "matrices": matrices, "multiply": multiply})


if __name__ == "__main__":
    if "--probe" in sys.argv:
        print(json.dumps({"version": torch.__version__, "blas": blas()}))
    else:
        main()
