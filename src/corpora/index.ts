/**
 * Corpora of real text. Node only, since corpora are files.
 *
 * @module memgrad/corpora
 */
import '../default-backend.js';

export { type BytePairOptions, bytePairs } from './bpe.js';
export { hyperpartisan, type LabelledDocuments, speeches } from './documents.js';
export type { PackageFiles } from './files.js';
export { dictionary, enwik8, mobyDick, treasury, wikitext103 } from './texts.js';
