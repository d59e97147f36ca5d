// The page: starts the worker, shows its messages, and keeps drawing.
const [frames, stop, output] = ['frames', 'stop', 'output'].map((id) =>
  document.getElementById(id),
);

const worker = new Worker('worker.js', { type: 'module' });
worker.onmessage = ({ data: { step, loss, accuracy } }) => {
  output.value =
    accuracy === undefined
      ? `step ${step}, loss ${loss.toFixed(3)}`
      : `${(100 * accuracy).toFixed(1)}% of all answers right`;
};
worker.onerror = ({ message }) => {
  output.value = message;
};
stop.onclick = () => {
  worker.terminate();
  output.value += ' (stopped)';
};

requestAnimationFrame(function draw() {
  frames.textContent = Number(frames.textContent) + 1;
  requestAnimationFrame(draw);
});
