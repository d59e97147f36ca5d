/** Giving way to the host between pieces of work. */

/**
 * Resolves in a task of its own: timers, signals, a page's events and finalizers have their turn
 * before it. `setTimeout` would wait a millisecond in Node and four in a browser.
 */
export function nextTask(): Promise<void> {
  return new Promise((resolve) => {
    if (typeof setImmediate === 'function') setImmediate(resolve);
    else if (typeof MessageChannel === 'function') post(resolve);
    else setTimeout(resolve);
  });
}

function post(resolve: () => void): void {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => {
    port1.close();
    resolve();
  };
  port2.postMessage(undefined);
}
