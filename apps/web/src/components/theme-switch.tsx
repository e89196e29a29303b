import { type Theme, themes } from '../state/theme.ts';

const names: Readonly<Record<Theme, string>> = { auto: 'Auto', light: 'Light', dark: 'Dark' };

/** Light, dark, or as the system says. */
export function ThemeSwitch(props: { readonly theme: Theme; readonly onChange: (theme: Theme) => void }) {
  return (
    <fieldset className="switch">
      <legend className="visually-hidden">Colours</legend>
      {themes.map((theme) => (
        <label key={theme}>
          <input
            type="radio"
            name="theme"
            className="visually-hidden"
            checked={theme === props.theme}
            onChange={() => props.onChange(theme)}
          />
          <span>{names[theme]}</span>
        </label>
      ))}
    </fieldset>
  );
}
