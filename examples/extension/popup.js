// Logistic regression on a page that may compile WebAssembly but not run code from text. It imports
// only the core, for tensors and gradients.
import {
  add,
  argmax,
  crossEntropy,
  grad,
  Key,
  matmul,
  mul,
  scope,
  sub,
  tensor,
  uniform,
  zeros,
} from './node_modules/memgrad/dist/index.js';

const [colour, sample, output] = ['colour', 'sample', 'output'].map((id) =>
  document.getElementById(id),
);

/** Parameters: weights [3, 2] and biases [2]; the classes are black text and white text. */
let model = { weight: zeros([3, 2]), bias: zeros([2]) };
const logits = ({ weight, bias }, colours) => add(matmul(colours, weight), bias);

/** The true class of a colour: light colours take black text. */
const isDark = ([red, green, blue]) => Number(0.21 * red + 0.72 * green + 0.07 * blue < 0.5);

const colours = uniform(Key.of(1), [256, 3]);
const rows = await colours.array();
const targets = tensor(rows.map(isDark), { dtype: 'int32' });
const loss = (model) => crossEntropy(logits(model, colours), targets);

for (let step = 0; step < 300; step++) {
  model = scope(() => {
    const { weight, bias } = grad(loss)(model);
    return { weight: sub(model.weight, mul(weight, 5)), bias: sub(model.bias, mul(bias, 5)) };
  });
}

const classes = async (rows) => await argmax(logits(model, tensor(rows)), 1).data();
const guesses = await classes(rows);
const right = rows.filter((row, i) => guesses[i] === isDark(row)).length;
output.value = `learnt: ${right} of ${rows.length} examples right`;

async function show() {
  const channels = [1, 3, 5].map((at) => Number.parseInt(colour.value.slice(at, at + 2), 16) / 255);
  const [isWhite] = await classes([channels]);
  sample.style.background = colour.value;
  sample.style.color = isWhite ? 'white' : 'black';
}
colour.oninput = show;
await show();
