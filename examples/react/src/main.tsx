import { memoryReport } from 'memgrad';
import { StrictMode, useEffect, useState } from 'react';
import { createRoot } from 'react-dom/client';
import { Circle } from './circle.js';

function App() {
  const [isShown, setShown] = useState(true);
  const [buffers, setBuffers] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => setBuffers(memoryReport().buffers), 100);
    return () => clearInterval(timer);
  }, []);
  return (
    <>
      <h1>Inside the circle?</h1>
      <button type="button" onClick={() => setShown(!isShown)}>
        {isShown ? 'Remove the model' : 'Train another'}
      </button>
      {isShown && <Circle seed={1} />}
      <p id="memory">{buffers} buffers of tensors are live</p>
    </>
  );
}

createRoot(document.getElementById('root') as HTMLElement).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
