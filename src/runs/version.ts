/** Version of this package, as package.json has it. */
export const MEMGRAD_VERSION = '0.1.0';
