/** A sample and what was said to it, right and wrong symbols marked. */
import { PADDING, type Sample } from './messages.js';

/** How many symbols of an answer count, and the places, from 1, of those that are wrong. Padding counts only where something was said in its place. */
export function judge({ answer, given }: Sample): { count: number; wrong: readonly number[] } {
  const places = given.flatMap((token, i) =>
    token === PADDING && answer[i] === PADDING ? [] : [i],
  );
  const wrong = places.filter((i) => given[i] !== answer[i]).map((i) => i + 1);
  return { count: places.length, wrong };
}

/** One answer in a line, and how much of it is right in words. */
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

/** Tokens as they stand in the sample. */
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

/** With spaces, so that digits are not read as one number; padding in one word. */
function spoken(tokens: readonly string[]): string {
  return tokens.join(' ').replace(new RegExp(`${PADDING}( ${PADDING})*`, 'g'), 'blank');
}
