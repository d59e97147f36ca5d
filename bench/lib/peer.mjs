/**
 * The parent's side of an engine: a child process that reads one JSON line per request and writes
 * one per answer.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

/** An engine in its own process, so engines don't disturb each other's memory or caches. */
export class Peer {
  #child;
  #waiting = [];
  #errors = '';

  /**
   * @param {string} name shown in tables
   * @param {string} command
   * @param {readonly string[]} args
   * @param {Record<string, string>} env added to the environment
   */
  constructor(name, command, args, env = {}) {
    this.name = name;
    this.#child = spawn(command, args, {
      env: { ...process.env, ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const note = (text) => {
      this.#errors = (this.#errors + text).slice(-4000);
    };
    this.#child.stderr.on('data', note);
    const stop = (reason) => {
      const error = new Error(`${name}: ${reason}\n${this.#errors}`);
      for (const { reject } of this.#waiting.splice(0)) reject(error);
    };
    this.#child.on('error', ({ message }) => stop(message));
    this.#child.on('close', (code, signal) => stop(`ended (${signal ?? code})`));
    this.#child.stdin.on('error', () => {}); // 'close' reports it
    createInterface({ input: this.#child.stdout }).on('line', (line) => {
      if (!line.startsWith('{"')) {
        note(`${line}\n`); // Dawn's complaints
        return;
      }
      const { error, ...answer } = JSON.parse(line);
      const { resolve, reject } = this.#waiting.shift();
      if (error === undefined) resolve(answer);
      else reject(new Error(`${name}: ${error}`));
    });
  }

  /** Sends one request and waits for its answer. Rejects with the engine's error. */
  ask(request) {
    if (this.#child.exitCode !== null) {
      return Promise.reject(new Error(`${this.name}: has ended\n${this.#errors}`));
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#child.stdin.write(`${JSON.stringify(request)}\n`);
    });
  }

  /** Ends the process, and waits until it has ended. */
  async close() {
    this.#child.stdin.end();
    const { exitCode, signalCode } = this.#child;
    if (exitCode === null && signalCode === null) await once(this.#child, 'close');
  }
}
