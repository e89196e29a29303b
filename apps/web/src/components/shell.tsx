import type { Overview, ProfileView } from '@pulsemesh/node/api';
import type { ReactNode } from 'react';
import type { ConnectionState } from '../api/live-feed.ts';
import { type Route, routeHref } from '../state/route.ts';
import type { Theme } from '../state/theme.ts';
import { ConnectionBadge, ConnectionBanner } from './connection-badge.tsx';
import { BrandMark } from './small.tsx';
import { ThemeSwitch } from './theme-switch.tsx';

export interface ShellProps {
  readonly route: Route;
  readonly connection: ConnectionState;
  readonly overview: Overview | null;
  /** What this node is to consent; null: not known yet. */
  readonly profile: ProfileView | null;
  /** Alerts that need somebody. */
  readonly openCount: number;
  /** Read out when it changes; '' says nothing. */
  readonly announcement: string;
  readonly theme: Theme;
  readonly onTheme: (theme: Theme) => void;
  readonly onRetry: () => void;
  readonly children: ReactNode;
}

/** What is around every page: where one is, how fresh it is, and what kind of data it shows. */
export function Shell(props: ShellProps) {
  const { overview, connection } = props;
  const speed = overview?.replaySpeed ?? null;
  return (
    <div className={`shell shell-${connection.kind}`}>
      <button type="button" className="skip" onClick={skipToMain}>
        Skip to the content
      </button>
      <header className="top">
        <a className="brand" href={routeHref({ page: 'hearts' })}>
          <BrandMark />
          Pulsemesh
        </a>
        <MainNavigation route={props.route} openCount={props.openCount} profile={props.profile} />
        <ConnectionBadge state={connection} />
      </header>
      <ConnectionBanner state={connection} onRetry={props.onRetry} />
      {speed === null ? null : (
        <aside className="banner banner-replay" aria-label="Kind of data">
          <p>
            {speed === 1
              ? 'Recordings, replayed as fast as life. '
              : `Recordings, replayed ${speed}× faster than life. `}
            Times of hearts and alerts are the recording's.
          </p>
        </aside>
      )}
      <main id="main" tabIndex={-1}>
        {props.children}
      </main>
      <footer className="foot">
        <span>{overview === null ? 'Pulsemesh' : `${overview.name}, version ${overview.version}`}</span>
        {props.profile === null || props.profile.kind === 'network' ? null : (
          <a href={routeHref({ page: 'audit' })}>Audit of consent and access</a>
        )}
        <ThemeSwitch theme={props.theme} onChange={props.onTheme} />
      </footer>
      <p className="visually-hidden" role="status" aria-live="assertive">
        {props.announcement}
      </p>
    </div>
  );
}

interface Place {
  readonly route: Route;
  readonly name: string;
  readonly icon: string;
}

const placesOfHome: readonly Place[] = [
  { route: { page: 'hearts' }, name: 'Hearts', icon: 'M2 12h5l2-5 4 10 3-7 1.5 2H22' },
  {
    route: { page: 'alerts', alertId: null },
    name: 'Alerts',
    icon: 'M6 16V11a6 6 0 0 1 12 0v5l1.5 2H4.5ZM10 20.5h4',
  },
  {
    route: { page: 'people' },
    name: 'People',
    icon: 'M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7ZM2.5 20c.5-4 3-6 6.5-6s6 2 6.5 6M16 4.5a3.5 3.5 0 0 1 0 6M18 14.5c2 .8 3.2 2.6 3.5 5.5',
  },
  {
    route: { page: 'learning' },
    name: 'Learning',
    icon: 'M4 20V11M10 20V5M16 20v-7M3 20h18M14 8l3-3 3 3M17 5v5',
  },
  {
    route: { page: 'board' },
    name: 'Board',
    icon: 'M5 3.5h14v17H5ZM8.5 8h7M8.5 12h7M8.5 16h4',
  },
  {
    route: { page: 'network' },
    name: 'Network',
    icon: 'M12 7.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5ZM5 21a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5ZM19 21a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5ZM10.8 7.2 6.2 16.3M13.2 7.2l4.6 9.1M7.5 18.5h9',
  },
];

const consentPlace: Place = {
  route: { page: 'consents' },
  name: 'Consent',
  icon: 'M6 3.5h9l4 4v13H6ZM14.5 3.5V8H19M9 14.5l2.2 2.2 4.3-4.7',
};

const boardPlaces = placesOfHome.filter(({ route }) => route.page === 'board');

const placesOfResearch: readonly Place[] = [
  {
    route: { page: 'research' },
    name: 'Research',
    icon: 'M9.5 3.5h5M10.5 3.5v6L5 19a1 1 0 0 0 .9 1.5h12.2A1 1 0 0 0 19 19l-5.5-9.5v-6M8 15h8',
  },
  { route: { page: 'ask' }, name: 'Ask', icon: 'M4 4.5h16v12H11l-4.5 4v-4H4ZM12 7.5v6M9 10.5h6' },
  {
    route: { page: 'audit' },
    name: 'Audit',
    icon: 'M11 18.5a7.5 7.5 0 1 0 0-15 7.5 7.5 0 0 0 0 15ZM16.5 16.5 21 21M8 11l2.2 2.2L14 9',
  },
  ...boardPlaces,
];

/** A researcher's node has no hearts; a gateway without an office has nothing about consent. */
function placesOf(profile: ProfileView | null): readonly Place[] {
  switch (profile?.kind) {
    case 'research':
      return placesOfResearch;
    case 'home':
      return placesOfHome.toSpliced(3, 0, consentPlace);
    default:
      return placesOfHome;
  }
}

interface MainNavigationProps {
  readonly route: Route;
  readonly openCount: number;
  readonly profile: ProfileView | null;
}

function MainNavigation({ route, openCount, profile }: MainNavigationProps) {
  const waiting = profile?.waiting.reduce((sum, { asks, alarms }) => sum + asks + alarms, 0) ?? 0;
  const countOf: Partial<Record<Route['page'], number>> = { alerts: openCount, consents: waiting };
  return (
    <nav className="nav" aria-label="Pages">
      <ul>
        {placesOf(profile).map((place) => (
          <li key={place.name}>
            <a href={routeHref(place.route)} aria-current={isWithin(route, place.route) ? 'page' : undefined}>
              <svg viewBox="0 0 24 24" aria-hidden="true">
                <path d={place.icon} />
              </svg>
              {place.name}
              {(countOf[place.route.page] ?? 0) > 0 ? (
                <span className="count">
                  {countOf[place.route.page]}
                  <span className="visually-hidden"> need attention</span>
                </span>
              ) : null}
            </a>
          </li>
        ))}
      </ul>
    </nav>
  );
}

/** A patient's page belongs to Hearts, a form to People, an entry to Board. */
function isWithin(route: Route, place: Route): boolean {
  if (route.page === 'patient') return place.page === 'hearts';
  if (route.page === 'consent') return place.page === 'consents';
  if (route.page === 'person') return place.page === 'people';
  if (route.page === 'task') return place.page === 'learning';
  if (route.page === 'entry' || route.page === 'key') return place.page === 'board';
  return route.page === place.page;
}

/** A button and no link: the address's hash holds the page. */
function skipToMain(): void {
  document.getElementById('main')?.focus();
}
