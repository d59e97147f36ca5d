/** Explains errors of the file system in sentences. For Node only. */
import { MemgradError, shownPath } from '../../errors.js';

const noPermission =
  'permission was denied; change its permissions, or choose another that you may use';
const reasons: Record<string, string> = {
  ENOENT: 'there is no such file or folder',
  ENOTDIR: 'a part of the path is a file, not a folder',
  EEXIST: 'a file of that name is in the way',
  EISDIR: 'it is a folder, not a file',
  ENOTEMPTY: 'a folder of that name is in the way',
  EACCES: noPermission,
  EPERM: noPermission,
  EROFS: 'the disk is read-only; choose a folder on another disk',
  ENOSPC: 'the disk is full; make room on it, then start again (a saved run by --resume)',
  EDQUOT: 'the disk quota is used up; make room, then start again (a saved run by --resume)',
  EFBIG: 'it would be larger than the system allows (ulimit -f)',
  ENAMETOOLONG: 'the name is too long; choose a shorter one',
  ELOOP: 'it is a link, or its links run in a circle; name the file itself',
  EMFILE: 'too many files are open; allow more (ulimit -n)',
  ENFILE: 'too many files are open on this machine',
  EBUSY: 'another program is using it',
  ENXIO: 'it is a pipe or a device, not a file',
  EIO: 'the disk reported an error',
  ESTALE: 'the network disk has lost it; mount it again',
  EPIPE: 'its reader has closed it',
  ERR_FS_FILE_TOO_LARGE: 'it is larger than 2 GiB',
  ERR_INVALID_ARG_VALUE: 'no file can have this name',
};

/** Runs `action`; turns an error of the file system into a `MemgradError` of one sentence. */
export async function explained<T>(what: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (cause) {
    throw explain(what, cause) ?? cause;
  }
}

/** `Cannot WHAT: REASON.` for an error of the file system; undefined for any other. */
export function explain(what: string, cause: unknown): MemgradError | undefined {
  const code = (cause as NodeJS.ErrnoException | undefined)?.code;
  if (cause instanceof MemgradError || typeof code !== 'string') return undefined;
  const reason = reasons[code] ?? `the system said ${code}`;
  return new MemgradError(`Cannot ${shownPath(what)}: ${reason}.`, { cause });
}
