/** A component that trains a small model while it is shown, draws what the model thinks, and frees it. */
import { useEffect, useState } from 'react';
import { GRID, learn, type Progress } from './learn.js';

export function Circle({ seed }: { seed: number }) {
  const [progress, setProgress] = useState<Progress>();
  const [problem, setProblem] = useState<string>();

  // One effect makes the model and frees it, so strict mode, which runs effects twice, leaks nothing.
  // The state holds numbers only: React may keep an old state, whose tensors would be freed.
  useEffect(() => {
    const stop = new AbortController();
    learn(seed, stop.signal, setProgress).catch((error) => setProblem(String(error)));
    return () => stop.abort();
  }, [seed]);

  if (problem !== undefined) return <output>{problem}</output>;
  if (!progress) return <output>starting</output>;
  const { step, accuracy, inside } = progress;
  return (
    <figure>
      <svg viewBox={`0 0 ${GRID} ${GRID}`} width="240" role="img" aria-label="Where it is inside">
        {inside.map((share, i) => {
          const [x, y] = [i % GRID, Math.floor(i / GRID)];
          const fill = `color-mix(in srgb, teal ${Math.round(100 * share)}%, wheat)`;
          return <rect key={`${x}, ${y}`} x={x} y={y} width="1" height="1" fill={fill} />;
        })}
      </svg>
      <figcaption>
        <output>
          step {step}: {(100 * accuracy).toFixed(1)}% of new points right
        </output>
      </figcaption>
    </figure>
  );
}
