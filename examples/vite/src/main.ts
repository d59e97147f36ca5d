/**
 * An RMT that trains at a click and then answers: it reads three digits and repeats them from its
 * memory.
 */
import { createModel, generate, presets } from 'memgrad/models';
import { createTask } from 'memgrad/tasks';
import { AdamW, train } from 'memgrad/training';

function element<E extends HTMLElement>(id: string): E {
  return document.getElementById(id) as E;
}
const start = element<HTMLButtonElement>('train');
const form = element<HTMLFormElement>('form');
const digits = element<HTMLInputElement>('digits');
const ask = element<HTMLButtonElement>('ask');
const output = element<HTMLOutputElement>('output');

const task = createTask('copy', { length: 3, symbols: 10, copies: 1 });
const sizes = { nToken: task.vocabulary, nLayer: 2, nHead: 2, dModel: 32, dHead: 16, dInner: 64 };
const model = createModel('rmt', { ...presets.fast, ...sizes, numMemTokens: 3, memLen: 1 });
const segmentLength = 4;
const ANSWER = 1; // the token that requests the answer; 2 is the digit 0, 3 is 1
const FIRST_DIGIT = 2;

start.onclick = async () => {
  start.disabled = true;
  const optimizer = new AdamW({ learningRate: 1e-2 });
  for await (const { step, loss } of train({ model, task, optimizer, segmentLength, steps: 200 })) {
    if (step % 10 !== 0) continue;
    output.value = `step ${step}, loss ${loss.toFixed(3)}`;
    await new Promise(requestAnimationFrame); // lets the page draw
  }
  ask.disabled = false;
};

form.onsubmit = async (event) => {
  event.preventDefault();
  const stream = model.stream({ segmentLength });
  stream.push([...[...digits.value].map((digit) => Number(digit) + FIRST_DIGIT), ANSWER]);
  let answer = '';
  for await (const token of generate(stream, { count: 3, temperature: 0 })) {
    answer += token - FIRST_DIGIT;
  }
  output.value = `answer ${answer}`;
};
