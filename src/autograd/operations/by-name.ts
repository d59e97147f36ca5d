/**
 * The operations as an object, for code that looks them up by name. The object has a file of its
 * own because bundlers emit such an object with the module that it lists: in the file of the
 * operations, it would keep all of them in every app.
 */
export * from './index.js';
