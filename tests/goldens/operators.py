"""Makes operators.json: what PyTorch says of values and gradients, in float64.

Run with Debian's python3-torch (1.13.1), on the CPU:

    /usr/bin/python3 tests/goldens/operators.py

Every entry has the inputs, the value and the gradient of each floating input for the cotangent
0.5 + (7 i mod 11) / 11 at element i. Infinities and NaN are written as text.
"""
import json
import math
import pathlib

import torch
import torch.nn.functional as F

torch.manual_seed(20240603)
torch.set_default_dtype(torch.float64)
INF, NAN = math.inf, math.nan
entries = []


def plain(x):
    if isinstance(x, float) and not math.isfinite(x):
        return "nan" if math.isnan(x) else ("inf" if x > 0 else "-inf")
    return x


def host(t):
    kind = "float" if t.is_floating_point() else "int32"
    values = t.detach().to(torch.int64 if kind == "int32" else torch.float64).flatten().tolist()
    return {"dtype": kind, "shape": list(t.shape), "values": [plain(v) for v in values]}


def golden(operation, f, *inputs, gradient=True, **options):
    inputs = [x if torch.is_tensor(x) else torch.tensor(x) for x in inputs]
    leaves = [x.detach().clone().requires_grad_(x.is_floating_point() and gradient) for x in inputs]
    value = f(*leaves, **options) if options else f(*leaves)
    entry = {
        "operation": operation,
        "options": options,
        "inputs": [host(x) for x in inputs],
        "value": host(value),
    }
    floating = [x for x in leaves if x.requires_grad]
    if floating and value.is_floating_point():
        i = torch.arange(value.numel())
        cotangent = (0.5 + (7 * i % 11) / 11.0).reshape(value.shape)
        gradients = torch.autograd.grad(value, floating, cotangent, allow_unused=True)
        entry["gradients"] = [
            host(torch.zeros_like(x) if g is None else g) for x, g in zip(floating, gradients)
        ]
    entries.append(entry)


def real(*shape):
    return (torch.randn(shape) * 100).round() / 100


def positive(*shape):
    return real(*shape).abs() + 0.25


# Elementwise.
far = torch.tensor([-700.0, -40.0, -6.5, -3.0, -1e-8, 1e-8, 0.3, 2.9999, 3.0001, 5.9, 6.1, 40.0, 700.0])
for name, f in {
    "neg": torch.neg,
    "abs": torch.abs,
    "exp": torch.exp,
    "sin": torch.sin,
    "cos": torch.cos,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "relu": torch.relu,
    "erf": torch.erf,
    "square": torch.square,
    "gelu": F.gelu,
}.items():
    golden(name, f, real(2, 3))
    golden(name, f, far)
golden("abs", torch.abs, [0.0, -1.0])
golden("relu", torch.relu, [0.0, -1.0, 1.0])
golden("sign", torch.sign, [0.0, -2.0, 3.0], gradient=False)
for name, f in {"log": torch.log, "sqrt": torch.sqrt}.items():
    golden(name, f, positive(2, 3))
    golden(name, f, [1e-300, 1e300, 1.0])
golden("log", torch.log, [0.0, -1.0], gradient=False)

for name, f in {
    "add": torch.add,
    "sub": torch.sub,
    "mul": torch.mul,
    "div": torch.div,
    "maximum": torch.maximum,
    "minimum": torch.minimum,
}.items():
    golden(name, f, real(2, 3), positive(2, 3))
    golden(name, f, real(2, 1, 3), positive(4, 1))
    golden(name, f, real(), positive(2))
    golden(name, f, real(3), positive(2, 3))
golden("maximum", torch.maximum, [1.0, 2.0, -3.0], [1.0, 2.0, -4.0])
golden("minimum", torch.minimum, [1.0, 2.0, -3.0], [1.0, 2.0, -4.0])
golden("pow", torch.pow, positive(2, 3), real(3))
golden("pow", torch.pow, [0.0, 0.0, 0.0, -2.0, -2.0, -2.0, 2.0], [0.0, 2.0, 1.0, 3.0, 2.0, -1.0, -3.0], gradient=False)
golden("pow", torch.pow, [0.0, -2.0, -2.0, 0.0], [INF, INF, 0.5, -1.0], gradient=False)


def power(x, exponent):
    return torch.pow(x, exponent)


for exponent in [0, 1, 2, 3, -1, 0.5]:
    base = positive(3) if exponent in (0.5,) else torch.tensor([-2.0, 0.5, 3.0])
    golden("powNumber", power, base, exponent=exponent)
for exponent in [0, 1, 2, 3]:
    golden("powNumber", power, [0.0], exponent=exponent)

for name, f in {
    "equal": torch.eq,
    "notEqual": torch.ne,
    "less": torch.lt,
    "lessEqual": torch.le,
    "greater": torch.gt,
    "greaterEqual": torch.ge,
}.items():
    golden(name, f, [1.0, 2.0, NAN, NAN, INF, 0.0], [2.0, 2.0, NAN, 1.0, INF, -0.0], gradient=False)
golden("where", lambda c, a, b: torch.where(c != 0, a, b), [[1, 0], [0, 1]], real(2, 2), real(2))
golden("where", lambda c, a, b: torch.where(c != 0, a, b), [1, 0], [1.0, NAN], [INF, 2.0])

# Reductions.
for axes in [None, [0], [1], [-1], [0, 2], [0, 1, 2]]:
    for keep in [False, True]:
        options = {"axes": axes, "keepDims": keep}
        dims = lambda axes: [0, 1, 2] if axes is None else axes
        golden("sum", lambda x, axes, keepDims: torch.sum(x, dims(axes), keepDims), real(2, 3, 2), **options)
        golden("mean", lambda x, axes, keepDims: torch.mean(x, dims(axes), keepDims), real(2, 3, 2), **options)
        golden("max", lambda x, axes, keepDims: torch.amax(x, dims(axes), keepDims), real(2, 3, 2), **options)
        golden("min", lambda x, axes, keepDims: torch.amin(x, dims(axes), keepDims), real(2, 3, 2), **options)
        golden("logsumexp", lambda x, axes, keepDims: torch.logsumexp(x, dims(axes), keepDims), real(2, 3, 2), **options)
ties = [[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]]
golden("max", lambda x, axes, keepDims: torch.amax(x, axes, keepDims), ties, axes=[1], keepDims=False)
golden("max", lambda x, axes, keepDims: torch.amax(x, axes, keepDims), ties, axes=[0, 1], keepDims=False)
golden("min", lambda x, axes, keepDims: torch.amin(x, axes, keepDims), ties, axes=[1], keepDims=False)
for x, gradient in [
    ([[-INF, 1.0, 2.0], [-INF, -INF, 5.0]], True),
    ([[1000.0, 1001.0, 0.0], [-1000.0, -1001.0, -999.0]], True),
    ([[-INF, -INF], [INF, 1.0]], False),
]:
    golden("logsumexp", lambda x, axes, keepDims: torch.logsumexp(x, axes, keepDims), x, gradient=gradient, axes=[1], keepDims=False)
for axis in [0, 1, -1]:
    golden("argmax", lambda x, axis: torch.argmax(x, axis), real(3, 4), axis=axis, gradient=False)
golden("argmax", lambda x, axis: torch.argmax(x, axis), [[1.0, 5.0, NAN], [-INF, -3.0, -INF]], axis=1, gradient=False)

# Products.
for a, b, ta, tb in [
    ([2, 3], [3, 4], False, False),
    ([3, 2], [3, 4], True, False),
    ([2, 3], [4, 3], False, True),
    ([3, 2], [4, 3], True, True),
    ([2, 2, 3], [3, 2], False, False),
    ([2, 2, 3], [2, 3], False, True),
    ([2, 3], [2, 3, 2], False, False),
    ([2, 1, 2, 3], [2, 3, 2], False, False),
    ([2, 3, 2], [1, 2, 3], True, True),
    ([2, 3, 0], [0, 2], False, False),
]:
    golden(
        "matmul",
        lambda a, b, transposeA, transposeB: torch.matmul(
            a.transpose(-1, -2) if transposeA else a, b.transpose(-1, -2) if transposeB else b
        ),
        real(*a),
        real(*b),
        transposeA=ta,
        transposeB=tb,
    )
golden("linear", F.linear, real(2, 3), real(4, 3), real(4))
golden("linear", F.linear, real(2, 2, 3), real(2, 3), real(2))

# Shapes.
golden("reshape", lambda x, shape: x.reshape(shape), real(2, 6), shape=[3, -1, 2])
golden("transpose", lambda x, order: x.permute(order), real(2, 3, 4), order=[2, 0, 1])
golden("transpose", lambda x, order: x.permute(order), real(2, 1, 3, 2), order=[0, 2, 1, 3])
golden("broadcastTo", lambda x, shape: x.broadcast_to(shape), real(3, 1), shape=[2, 3, 2])
golden("slice", lambda x, axis, start, end: x.narrow(axis, start, end - start), real(3, 4), axis=1, start=1, end=3)
golden("pad", lambda x, padding, value: F.pad(x, padding[1] + padding[0], value=value), real(2, 3), padding=[[1, 0], [2, 1]], value=-1.5)
golden("concat", lambda *xs, axis: torch.cat(xs, axis), real(2, 1), real(2, 3), real(2, 2), axis=1)
golden("stack", lambda *xs, axis: torch.stack(xs, axis), real(2, 3), real(2, 3), axis=1)
golden("stack", lambda *xs, axis: torch.stack(xs, axis), real(2, 3), real(2, 3), axis=-1)

# Rows by index.
golden("gather", lambda x, i: F.embedding(i, x), real(4, 3), [[1, 3], [1, 0]])
golden("gather", lambda x, i: x[i], real(3, 2, 2), [2, 2])
golden("scatterAdd", lambda x, i, rows: torch.zeros(rows, 2).index_add(0, i, x), real(4, 2), [2, 0, 2, 2], rows=4)
golden("scatterAdd", lambda x, i, rows: torch.zeros(rows, 2, 2).index_add(0, i, x), real(3, 2, 2), [1, 0, 1], rows=2)
golden("oneHot", lambda i, depth: F.one_hot(i, depth).to(torch.float64), [[0, 2], [1, 1]], depth=3)

# Normalisation.
for name, f in {"softmax": torch.softmax, "logSoftmax": torch.log_softmax}.items():
    for shape, axis in [([4], 0), ([2, 3], -1), ([2, 3], 0), ([2, 3, 2], 1)]:
        golden(name, lambda x, axis, f=f: f(x, axis), real(*shape), axis=axis)
    golden(name, lambda x, axis, f=f: f(x, axis), [[1000.0, 1001.0, 998.0], [-1e5, 0.0, 1.0]], axis=-1)
    golden(name, lambda x, axis, f=f: f(x, axis), [[1.0, -INF, 2.0], [-INF, -INF, 0.5]], axis=-1)
for shape in [[4], [2, 3], [2, 2, 5]]:
    n = shape[-1]
    golden("layerNorm", lambda x, w, b, epsilon: F.layer_norm(x, w.shape, w, b, epsilon), real(*shape), real(n), real(n), epsilon=1e-5)
golden("layerNorm", lambda x, w, b, epsilon: F.layer_norm(x, w.shape, w, b, epsilon), real(2, 3) + 1e4, real(3), real(3), epsilon=1e-12)


# Loss.
def cross_entropy(logits, targets, reduction, ignoreIndex):
    classes = logits.shape[-1]
    loss = F.cross_entropy(
        logits.reshape(-1, classes), targets.reshape(-1), reduction=reduction, ignore_index=ignoreIndex
    )
    return loss.reshape(targets.shape) if reduction == "none" else loss


for reduction in ["mean", "sum", "none"]:
    golden("crossEntropy", cross_entropy, real(3, 4), [1, 0, 3], reduction=reduction, ignoreIndex=-100)
    golden("crossEntropy", cross_entropy, real(4, 3), [1, -100, 2, -100], reduction=reduction, ignoreIndex=-100)
    golden("crossEntropy", cross_entropy, real(2, 2, 3), [[1, 0], [2, 0]], reduction=reduction, ignoreIndex=0)
    golden("crossEntropy", cross_entropy, [[1000.0, 0.0], [-INF, 3.0]], [1, 1], reduction=reduction, ignoreIndex=-100)


# Attention.
def attention(q, k, v, *rest, has):
    rest = dict(zip(has, rest))
    scores = q @ k.transpose(-1, -2)
    scores = (scores + rest["bias"] if "bias" in has else scores) / math.sqrt(q.shape[-1])
    if "mask" in has:
        scores = scores.masked_fill(rest["mask"] == 0, -INF)
    return torch.softmax(scores, -1) @ v


golden("attention", attention, real(3, 4), real(5, 4), real(5, 2), has=[])
golden("attention", attention, real(2, 2, 3, 2), real(2, 2, 3, 2), real(2, 2, 3, 2), torch.tril(torch.ones(3, 3, dtype=torch.int64)), has=["mask"])
golden("attention", attention, real(2, 3, 2), real(2, 4, 2), real(2, 4, 2), real(2, 3, 4), has=["bias"])
golden("attention", attention, real(2, 2, 2), real(2, 3, 2), real(2, 3, 2), real(2, 3), torch.tensor([[1, 0, 1], [0, 1, 1]]), has=["bias", "mask"])

path = pathlib.Path(__file__).with_suffix(".json")
lines = ",\n".join(json.dumps(entry, separators=(",", ":")) for entry in entries)
path.write_text(f"[\n{lines}\n]\n")
print(f"{len(entries)} entries, {path.stat().st_size} bytes")
