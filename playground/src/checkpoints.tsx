/** Saves runs as files for the command line, and opens its runs here. */
import type { Session } from './session.js';
import { modelTitles, namesOf } from './titles.js';

export function Checkpoints({ session }: { session: Session }) {
  const { models, ask, fail, load, file, saved, keep } = session;
  const names = namesOf(models);
  const save = async (model: number) => {
    const { archive, step } = await ask('save', { model });
    const name = `memgrad-${models[model].name}-step-${step}.tar`;
    download(archive, name);
    keep({ name, step });
  };
  return (
    <section class="card" aria-label="Checkpoint">
      <h2>Checkpoint</h2>
      <div class="transport">
        {models.map((_, i) => (
          <button key={names[i]} type="button" onClick={() => save(i).catch(fail)}>
            Save {names[i]}
          </button>
        ))}
        <FileButton
          text="Open an archive"
          onChoose={async ([archive]) =>
            load(new Uint8Array(await archive.arrayBuffer()), archive.name)
          }
          fail={fail}
        />
        <FileButton
          text="Open a folder"
          folder
          onChoose={async (files) => load(await filesOfRun(files), folderOf(files[0]))}
          fail={fail}
        />
      </div>
      {file && (
        <p class="hint" role="status">
          {file} is open: {models.map(({ name }) => modelTitles[name]).join()}, trained for{' '}
          {models[0].history.at(-1)?.step ?? 0} steps. Reset, or a change of the controls, replaces
          it by the model that they describe.
        </p>
      )}
      <details>
        <summary>With the command line</summary>
        <pre>
          <code>
            {[
              `mkdir -p runs/page && tar -xf ${saved?.name ?? 'FILE.tar'} -C runs/page`,
              'npx memgrad eval runs/page',
              'npx memgrad sample runs/page',
              `npx memgrad train --resume runs/page --stop-at 1 --steps ${(saved?.step ?? 0) + 1000}`,
            ].join('\n')}
          </code>
        </pre>
        <p class="hint">
          {saved
            ? `${saved.name} is the most recently saved run.`
            : 'FILE.tar is the file that Save downloads; no run has been saved yet.'}
        </p>
        <p class="hint">
          A folder that <code>memgrad train --out</code> wrote opens here directly, or as an archive
          made by <code>tar -cf run.tar -C runs/first .</code>.
        </p>
      </details>
    </section>
  );
}

/** A button that opens a file, or a folder with all its files. */
function FileButton({
  text,
  folder = false,
  onChoose,
  fail,
}: {
  text: string;
  folder?: boolean;
  onChoose: (files: File[]) => Promise<void>;
  fail: (error: unknown) => void;
}) {
  return (
    <label class="button">
      {text}
      <input
        type="file"
        class="visually-hidden"
        {...(folder ? { webkitdirectory: true } : { accept: '.tar' })}
        onChange={({ currentTarget }) => {
          const files = [...(currentTarget.files ?? [])];
          currentTarget.value = ''; // lets the same file be chosen again
          if (files.length > 0) onChoose(files).catch(fail);
        }}
      />
    </label>
  );
}

/** Reads the files of a run, by their names in its folder; skips all others. */
async function filesOfRun(files: readonly File[]): Promise<Map<string, Uint8Array>> {
  const named = files.map(
    (file) => [file.webkitRelativePath.replace(/^[^/]*\//, ''), file] as const,
  );
  const read = named
    .filter(([name]) =>
      /^(config\.json|text\.txt|tokenizer\.json|metrics\.jsonl|step-\d+\/[^/]+)$/.test(name),
    )
    .map(async ([name, file]) => [name, new Uint8Array(await file.arrayBuffer())] as const);
  return new Map(await Promise.all(read));
}

function folderOf({ webkitRelativePath }: File): string {
  return webkitRelativePath.split('/')[0];
}

function download(bytes: Uint8Array<ArrayBuffer>, name: string): void {
  const url = URL.createObjectURL(new Blob([bytes], { type: 'application/x-tar' }));
  const link = Object.assign(document.createElement('a'), { href: url, download: name });
  link.click();
  URL.revokeObjectURL(url);
}
