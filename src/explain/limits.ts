/** How much is explained: more nobody looks at one by one. */

/** Operations, variables and numbers in an expression. */
export const MOST_OPERATIONS = 200;
/** Numbers in a value. */
export const MOST_VALUES = 64;
/** Axes of a value. */
export const MOST_AXES = 6;
/** Characters in a text. */
export const LONGEST = 2000;
