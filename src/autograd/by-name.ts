/**
 * The engine as an object, for code that looks operations up by name. Bundlers write such an object
 * next to the module that it shows; next to the engine itself it would keep every operation in
 * every app.
 */
export * from './index.js';
