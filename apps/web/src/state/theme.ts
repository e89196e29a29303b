import { useEffect, useState } from 'react';

/** 'auto' follows the system. */
export type Theme = 'auto' | 'light' | 'dark';

const storageName = 'pulsemesh.theme';
/** Sent on the window when the colours may have changed: canvases do not follow CSS by themselves. */
export const coloursChanged = 'pulsemesh:colours';

export const themes: readonly Theme[] = ['auto', 'light', 'dark'];

function readTheme(): Theme {
  const stored = window.localStorage.getItem(storageName);
  return themes.find((theme) => theme === stored) ?? 'auto';
}

/** The chosen theme, kept in local storage and applied to the document. */
export function useTheme(): readonly [Theme, (theme: Theme) => void] {
  const [theme, setTheme] = useState<Theme>(readTheme);
  useEffect(() => {
    const root = document.documentElement;
    if (theme === 'auto') delete root.dataset['theme'];
    else root.dataset['theme'] = theme;
    window.localStorage.setItem(storageName, theme);
    const tell = () => window.dispatchEvent(new Event(coloursChanged));
    tell();
    const system = window.matchMedia('(prefers-color-scheme: dark)');
    system.addEventListener('change', tell);
    return () => system.removeEventListener('change', tell);
  }, [theme]);
  return [theme, setTheme];
}
