/** A sample and what was said to it, right and wrong symbols marked. */
import type { Sample } from './messages.js';

/** One answer in a line, and how much of it is right in words. */
export function GivenAnswer({ name, sample: { answer, given } }: { name: string; sample: Sample }) {
  const wrong = given.flatMap((token, i) => (token === answer[i] ? [] : [i + 1]));
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
          {given.length - wrong.length} of {given.length} right
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

/** With spaces, so that digits are not read as one number. */
function spoken(tokens: readonly string[]): string {
  return tokens.join(' ');
}
