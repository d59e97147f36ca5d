/**
 * Rules for the text of GPU kernels. A driver may assume that there is no NaN, so a text may only
 * compare floats where it looks at their bits; SwiftShader makes no use of that, and results alone
 * would not show it.
 */
import * as assert from 'uvu/assert';

interface Part {
  readonly name: string;
  readonly parameters: string;
  readonly body: string;
}

/** The functions of a text. */
function partsOf(text: string): Part[] {
  return text.split(/^(?=(?:@compute.*\s)?fn )/m).flatMap((source) => {
    const [, name, parameters] =
      /^(?:@compute.*\s)?fn (\w+)\(((?:.|\n)*?)\) (?:->|\{)/.exec(source) ?? [];
    return name ? [{ name, parameters, body: source.slice(source.indexOf('{')) }] : [];
  });
}

/** The declarations outside functions: bindings, numbers, workgroup memory, constants. */
function globalsOf(text: string): string {
  return (text.match(/^(?:@group|struct|var<|const ).*$/gm) ?? []).join('\n');
}

/** The names of floats in a function, by declarations, and by the values of variables without type. */
function floatsOf({ parameters, body }: Part, globals: string): Set<string> {
  const declared = `${globals} ${parameters} ${body}`.matchAll(
    /(\w+): (?:array<)?(?:f32|vec4f)\b/g,
  );
  const floats = new Set([...declared].map(([, name]) => name));
  // A parameter or variable of another type hides a binding.
  for (const [, name] of `${parameters} ${body}`.matchAll(/(\w+): (?:[iu]32|vec\d[iu]|bool)\b/g)) {
    floats.delete(name);
  }
  for (const [, name, value] of body.matchAll(/(?:let|var|const) (\w+) = ([^;]*);/g)) {
    const first = /^-?\(*(?:p\.)?(\d+\.\d|\w+)/.exec(value)?.[1] ?? '';
    const isFloat =
      first === 'select' ? /\d\.\d/.test(value) : /^(?:\d+\.|vec4f$|f32$)/.test(first);
    if (isFloat || floats.has(first)) floats.add(name);
  }
  return floats;
}

/** Comparisons with a float on one side. */
export function floatComparisons(part: Part, globals = ''): string[] {
  const code = part.body.replace(/\/\/.*$/gm, '');
  const floats = floatsOf({ ...part, body: code }, globals);
  const operand = String.raw`-?[\w.]+(?:\[[^\]]*\])?(?:\.\w+)?(?:\([^()]*\))?`;
  const pattern = new RegExp(`(${operand}) (<|>|<=|>=|==|!=) (${operand})`, 'g');
  const isFloat = (side: string) =>
    /^-?\d+\.\d/.test(side) ||
    floats.has(side.replace(/^-|^p\.|[.[].*$/g, '')) ||
    /^(?:abs|floor|float_of|f32|\w+_value)\(/.test(side);
  return [...code.matchAll(pattern)]
    .filter(([, left, , right]) => isFloat(left) || isFloat(right))
    .map(([comparison]) => comparison);
}

/** Calls of built-in functions that may drop NaN; `min`, `max` and `clamp` may have integers. */
export function droppingCalls(part: Part, globals = ''): string[] {
  const floats = floatsOf(part, globals);
  const calls = part.body.matchAll(
    /\b(min|max|clamp|step|smoothstep|sign|mix|saturate|pow|modf|isnan)\(((?:[^()]|\((?:[^()]|\([^()]*\))*\))*)\)/g,
  );
  return [...calls]
    .filter(([, name, list]) => {
      const names = list.match(/[\w.]+/g) ?? [];
      const isFloat = names.some(
        (each) => /^\d+\./.test(each) || floats.has(each.replace(/^p\.|\..*$/g, '')),
      );
      return isFloat || !/^(?:min|max|clamp)$/.test(name);
    })
    .map(([call]) => call);
}

/**
 * No kernel uses a built-in function that may drop NaN, and floats are compared only where their
 * bits have been asked for NaN. Returns the number of comparisons.
 */
export function checkTexts(texts: ReadonlyMap<string, string>): number {
  const seen = new Set<string>();
  let comparisons = 0;
  for (const [key, text] of texts) {
    const globals = globalsOf(text);
    for (const part of partsOf(text)) {
      const id = part.parameters + part.body;
      if (seen.has(id)) continue;
      seen.add(id);
      assert.equal(droppingCalls(part, globals), [], `${key}: ${part.name}`);
      for (const comparison of floatComparisons(part, globals)) {
        comparisons++;
        if (/^u\.[xyzw] >= /.test(comparison)) continue; // uniform numbers, which are never NaN
        assert.ok(/\b(?:is|are)_nan\(/.test(part.body), `${key}: ${part.name} has ${comparison}`);
      }
    }
  }
  return comparisons;
}
