/** Limits of what is explained: nobody reads more than this one by one. */

/** The maximum number of operations, variables and literals in an expression. */
export const MOST_OPERATIONS = 200;
/** The maximum number of values in a node. */
export const MOST_VALUES = 64;
/** The maximum number of axes of a node. */
export const MOST_AXES = 6;
/** The maximum number of characters in a text. */
export const LONGEST = 2000;
