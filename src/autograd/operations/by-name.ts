/**
 * The operations as an object, for code that looks them up by name. Bundlers write such an object
 * next to the module that it shows; next to the operations themselves it would keep every one of
 * them in every app.
 */
export * from './index.js';
