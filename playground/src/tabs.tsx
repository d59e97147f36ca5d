/** Tabs: one panel at a time; arrow keys move between tabs. */
import type { ComponentChildren } from 'preact';

export function Tabs<T extends string>({
  tabs,
  chosen,
  onChoose,
  children,
}: {
  tabs: readonly (readonly [id: T, title: string])[];
  chosen: T;
  onChoose: (id: T) => void;
  children: ComponentChildren;
}) {
  const move = (event: KeyboardEvent) => {
    const at = tabs.findIndex(([id]) => id === chosen);
    const target = {
      ArrowRight: (at + 1) % tabs.length,
      ArrowLeft: (at + tabs.length - 1) % tabs.length,
      Home: 0,
      End: tabs.length - 1,
    }[event.key];
    if (target === undefined) return;
    event.preventDefault();
    onChoose(tabs[target][0]);
    document.getElementById(`tab-${tabs[target][0]}`)?.focus();
  };
  return (
    <>
      <div class="tabs" role="tablist" aria-label="Views" onKeyDown={move}>
        {tabs.map(([id, title]) => (
          <button
            key={id}
            type="button"
            role="tab"
            id={`tab-${id}`}
            aria-selected={id === chosen}
            aria-controls="panel"
            tabIndex={id === chosen ? 0 : -1}
            onClick={() => onChoose(id)}
          >
            {title}
          </button>
        ))}
      </div>
      <div role="tabpanel" id="panel" aria-labelledby={`tab-${chosen}`}>
        {children}
      </div>
    </>
  );
}
