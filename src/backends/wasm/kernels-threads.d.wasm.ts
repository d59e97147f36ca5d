/** The kernels for several threads on a shared memory, written by the build. */
declare const bytes: Uint8Array<ArrayBuffer>;
export default bytes;
