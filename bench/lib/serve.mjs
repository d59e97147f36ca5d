/** The child's side: answers each JSON line with a JSON line, in order. */
import { createInterface } from 'node:readline';

/**
 * Answers requests until the input ends. `handlers` has a function for each `do`. An answer is its
 * result and the process's memory.
 * @param {Record<string, (request: Record<string, unknown>) => unknown>} handlers
 */
export async function serve(handlers) {
  for (const level of ['log', 'info', 'warn', 'debug']) console[level] = console.error; // answers only on stdout
  for await (const line of createInterface({ input: process.stdin })) {
    let answer;
    try {
      const request = JSON.parse(line);
      answer = { ...(await handlers[request.do](request)), rss: process.memoryUsage().rss };
    } catch (error) {
      answer = { error: error instanceof Error ? error.stack : String(error) };
    }
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
  process.exit(0); // an engine's open handles would keep the process alive
}
