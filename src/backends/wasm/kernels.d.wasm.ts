/** The compiled kernels of ./assembly, written by the build (scripts/kernels.mjs). */
declare const bytes: Uint8Array<ArrayBuffer>;
export default bytes;
