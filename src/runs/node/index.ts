/**
 * Runs in a folder on disk. For Node alone: `memgrad/runs` imports nothing of Node, so that browsers
 * can load it.
 *
 * @module memgrad/runs/node
 */
import '../../default-backend.js';

export { FolderStorage } from './folder-storage.js';
