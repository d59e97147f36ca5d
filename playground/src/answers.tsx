/** A sample and a model's answer, with wrong symbols marked. */
import { PADDING, type Sample } from './messages.js';

/**
 * Returns how many symbols of an answer count, and the positions, from 1, of the wrong ones.
 * Padding counts only where the model gave another symbol.
 */
export function judge({ answer, given }: Sample): { count: number; wrong: readonly number[] } {
  const positions = given.flatMap((token, i) =>
    token === PADDING && answer[i] === PADDING ? [] : [i],
  );
  const wrong = positions.filter((i) => given[i] !== answer[i]).map((i) => i + 1);
  return { count: positions.length, wrong };
}

/** One answer in a line, and how many of its symbols are right in words. */
export function GivenAnswer({ name, sample }: { name: string; sample: Sample }) {
  const { answer, given } = sample;
  const { count, wrong } = judge(sample);
  return (
    <div class="answer">
      <dt>{name}</dt>
      <dd>
        <span class="tokens" aria-hidden="true">
          {given.map((token, i) => (
            <span key={i} class={token === answer[i] ? 'right' : 'wrong'}>
              {token}
            </span>
          ))}
        </span>
        <span class="count">
          <span class="visually-hidden">{spoken(given)}: </span>
          {count - wrong.length} of {count} right
          <span class="visually-hidden">
            {wrong.length > 0 && `, wrong at ${wrong.join(', ')}`}
          </span>
        </span>
      </dd>
    </div>
  );
}

/** The tokens of a sample in a line. */
export function Tokens({ name, tokens }: { name: string; tokens: readonly string[] }) {
  return (
    <div class="answer">
      <dt>{name}</dt>
      <dd>
        <span class="tokens" aria-hidden="true">
          {tokens.map((token, i) => (
            <span key={i}>{token}</span>
          ))}
        </span>
        <span class="visually-hidden">{spoken(tokens)}</span>
      </dd>
    </div>
  );
}

/**
 * Text for screen readers: spaces keep digits from being read as one number, and padding is one
 * word.
 */
function spoken(tokens: readonly string[]): string {
  return tokens.join(' ').replace(new RegExp(`${PADDING}( ${PADDING})*`, 'g'), 'blank');
}
