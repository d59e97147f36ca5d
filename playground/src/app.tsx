/** The page: lessons, tabs, and the chosen panel. */
import { useEffect, useState } from 'preact/hooks';
import { Bench, useMeasuring } from './bench.js';
import { Select } from './controls.js';
import { Lens } from './lens.js';
import { lessons } from './lessons.js';
import { Microscope } from './microscope.js';
import { type Pointer, usePointer } from './point.js';
import { useSession } from './session.js';
import {
  type PanelProps,
  readState,
  type State,
  startLesson,
  themes,
  writeState,
} from './state.js';
import { Tabs } from './tabs.js';
import { ThemeContext, useChosenTheme } from './theme.js';
import { Train } from './train.js';

const titles = [
  ['train', 'Train'],
  ['lens', 'Recurrence lens'],
  ['microscope', 'Autodiff microscope'],
  ['bench', 'Bench'],
] as const satisfies readonly (readonly [State['tab'], string])[];

export function App() {
  const [state, set] = useAddress();
  const theme = useChosenTheme(state.theme);
  const session = useSession(state);
  const panel = { state, set };
  const pointer = usePointer(state.tab);
  const measuring = useMeasuring(session);
  return (
    <ThemeContext.Provider value={theme}>
      <div class={`page ${state.lesson && 'with-lesson'}`}>
        <header class="top">
          <h1>memgrad playground</h1>
          <div class="choices">
            <Select
              label="Lesson"
              value={state.lesson}
              options={[['', 'none'], ...lessons.map(({ id, title }) => [id, title] as const)]}
              onChange={(lesson) => set(startLesson(lesson, state))}
            />
            <Select
              label="Theme"
              value={state.theme}
              options={themes.map((theme) => [theme, theme] as const)}
              onChange={(theme) => set({ theme })}
            />
          </div>
        </header>
        <main aria-busy={session.models.length === 0 && !session.error}>
          <LessonText {...panel} pointer={pointer} />
          <div>
            {session.error && (
              <p class="error" role="alert">
                {session.error}
              </p>
            )}
            {measuring.running && (state.tab === 'train' || state.tab === 'lens') && (
              <p class="busy" role="status">
                The bench is measuring {measuring.running}. Training and answers wait until it is
                done.
              </p>
            )}
            <Tabs tabs={titles} chosen={state.tab} onChoose={(tab) => set({ tab })}>
              {state.tab === 'train' && <Train {...panel} session={session} />}
              {state.tab === 'lens' && <Lens {...panel} session={session} />}
              {state.tab === 'microscope' && <Microscope {...panel} />}
              {state.tab === 'bench' && <Bench session={session} measuring={measuring} />}
            </Tabs>
          </div>
        </main>
        <p class="visually-hidden" role="status">
          {pointer.said}
        </p>
        {state.lesson && pointer.back && (
          <button type="button" class="main back" onClick={pointer.back}>
            Back to the lesson
          </button>
        )}
      </div>
    </ThemeContext.Provider>
  );
}

function LessonText({ state, set, pointer }: PanelProps & { pointer: Pointer }) {
  const lesson = lessons.find(({ id }) => id === state.lesson);
  if (!lesson) return null;
  return (
    <aside class="card lesson" aria-label="Lesson">
      <details open>
        <summary>
          <h2>{lesson.title}</h2>
        </summary>
        {lesson.parts.map(({ text, changes = [] }) => (
          <div key={text} class="part">
            <p>{text}</p>
            {changes.map(({ label, state, shows }) => (
              <button
                key={label}
                type="button"
                onClick={() => {
                  set(state);
                  pointer.point(shows);
                }}
              >
                {label}
              </button>
            ))}
          </div>
        ))}
      </details>
    </aside>
  );
}

/** The state in the current address. */
const addressed = () => readState(new URLSearchParams(location.search));

/**
 * The state, stored in the address. The browser's back button returns to the previous tab or
 * lesson.
 */
function useAddress(): [State, (change: Partial<State>) => void] {
  const [state, setState] = useState(addressed);
  useEffect(() => {
    const written = String(writeState(state));
    const address = written ? `?${written}` : location.pathname;
    const { tab, lesson } = addressed();
    try {
      if (tab !== state.tab || lesson !== state.lesson) history.pushState(null, '', address);
      else history.replaceState(null, '', address);
    } catch {
      // Safari refuses more than a hundred changes in half a minute; a later change will succeed.
    }
  }, [state]);
  useEffect(() => {
    const follow = () => setState(addressed());
    addEventListener('popstate', follow);
    return () => removeEventListener('popstate', follow);
  }, []);
  return [state, (change) => setState((state) => ({ ...state, ...change }))];
}
