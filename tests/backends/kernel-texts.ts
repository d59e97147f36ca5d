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

/**
 * Comparisons with a float on one side, by the declarations of the function, and of the `globals`
 * before all functions.
 */
export function floatComparisons({ parameters, body }: Part, globals = ''): string[] {
  const code = body.replace(/\/\/.*$/gm, '');
  const all = `${globals} ${parameters} ${code}`;
  const declared = all.matchAll(/(\w+): (?:array<)?(?:f32|vec4f)\b/g);
  const floats = new Set([...declared].map(([, name]) => name));
  // A variable without a type is a float where its value is one.
  for (const [, name, value] of code.matchAll(/(?:let|var) (\w+) = ([^;]*);/g)) {
    const [first] = /^-?\d+\.\d|^\w+/.exec(value) ?? [];
    if (
      first &&
      (/^-?\d+\./.test(first) || /^(?:vec4f|f32|select)$/.test(first) || floats.has(first))
    ) {
      if (first !== 'select' || /\d\.\d/.test(value)) floats.add(name);
    }
  }
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

/** No kernel uses a built-in function that may drop NaN. */
export function checkBuiltIns(texts: ReadonlyMap<string, string>): void {
  for (const [key, text] of texts) {
    const [found] =
      /\b(?:min|max|clamp|step|smoothstep|sign|mix|saturate|pow|modf|isnan)\(/.exec(text) ?? [];
    assert.is(found, undefined, `${key}: ${found}`);
  }
}

/** Floats are compared only where their bits have been asked for NaN. Returns how many comparisons there are. */
export function checkComparisons(texts: ReadonlyMap<string, string>): number {
  const seen = new Set<string>();
  let comparisons = 0;
  for (const [key, text] of texts) {
    const globals = text.slice(0, text.search(/^(?:@compute|fn )/m));
    for (const part of partsOf(text)) {
      const id = part.parameters + part.body;
      if (seen.has(id)) continue;
      seen.add(id);
      for (const comparison of floatComparisons(part, globals)) {
        comparisons++;
        if (/^u\.[xyzw] >= /.test(comparison)) continue; // uniform numbers, which are never NaN
        assert.ok(part.body.includes('is_nan('), `${key}: ${part.name} has ${comparison}`);
      }
    }
  }
  return comparisons;
}
