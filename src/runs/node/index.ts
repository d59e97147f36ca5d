/**
 * Runs and models on disk. For Node only: `memgrad/runs` imports nothing from Node, so browsers
 * can load it.
 *
 * @module memgrad/runs/node
 */
import '../../default-backend.js';

export { FolderStorage } from './folder-storage.js';
export { loadFile, saveFile } from './model-file.js';
