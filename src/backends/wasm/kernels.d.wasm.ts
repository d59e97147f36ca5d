/** The compiled kernels of ./assembly; the build makes them (scripts/kernels.mjs). */
declare const bytes: Uint8Array<ArrayBuffer>;
export default bytes;
