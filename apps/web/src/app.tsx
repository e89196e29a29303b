import { lazy, Suspense, useEffect, useRef, useState } from 'react';
import { KeyForm } from './components/key-form.tsx';
import { PageBoundary } from './components/page-boundary.tsx';
import { Shell } from './components/shell.tsx';
import { Loading, Notice } from './components/small.tsx';
import { AlertsPage } from './pages/alerts-page.tsx';
import { HeartsPage } from './pages/hearts-page.tsx';
import { NetworkPage } from './pages/network-page.tsx';
import { PatientPage } from './pages/patient-page.tsx';
import { PeoplePage, PersonPage } from './pages/people-page.tsx';
import { needsAttention, orderAlerts } from './state/alert-order.ts';
import { usePageState, useTools } from './state/hooks.ts';
import type { PageState } from './state/page-store.ts';
import { parseRoute, type Route, routeHref, useHash } from './state/route.ts';
import { useTheme } from './state/theme.ts';

// What checks a board weighs more than the rest of the page: it is fetched when somebody goes there.
const BoardPages = lazy(() => import('./pages/board-pages.tsx'));
const LearningPages = lazy(() => import('./pages/learning-pages.tsx'));
// Of consent each person goes to one of three: a patient, a researcher, an auditor.
const ConsentPages = lazy(() => import('./pages/consent-pages.tsx'));
const ResearchPages = lazy(() => import('./pages/research-pages.tsx'));
const AuditPage = lazy(() => import('./pages/audit-page.tsx'));

export interface AppProps {
  /** Starts over with another access key. */
  readonly onKey: (key: string) => void;
}

/** The whole page: asks for the key where there is none, else shows where the address says. */
export function App({ onKey }: AppProps) {
  const state = usePageState();
  const { retryNow } = useTools();
  const hash = useHash();
  const isResearch = state.profile?.kind === 'research';
  const asked = parseRoute(hash);
  // A researcher's node has no hearts: its first page is another.
  const route: Route = isResearch && asked.page === 'hearts' ? { page: 'research' } : asked;
  const [theme, setTheme] = useTheme();
  const open = [...(state.alerts?.values() ?? [])].filter(needsAttention);
  const announcement = useAnnouncement(state);
  usePageChange(route, open.length);

  if (state.access !== 'granted') {
    return (
      <main className="gate">
        <KeyForm reason={state.access} onKey={onKey} />
      </main>
    );
  }
  return (
    <Shell
      route={route}
      connection={state.connection}
      overview={state.overview}
      profile={state.profile}
      openCount={open.length}
      announcement={announcement}
      theme={theme}
      onTheme={setTheme}
      onRetry={retryNow}
    >
      {state.loadError !== null && state.patients !== null ? (
        <Notice title="Part of the page could not be loaded." tone="problem">
          <p>{state.loadError}</p>
        </Notice>
      ) : null}
      <CurrentPage route={route} />
    </Shell>
  );
}

function CurrentPage({ route }: { readonly route: Route }) {
  switch (route.page) {
    case 'hearts':
      return <HeartsPage />;
    case 'patient':
      return <PatientPage key={route.subject} subject={route.subject} />;
    case 'alerts':
      return <AlertsPage targetId={route.alertId} />;
    case 'people':
      return <PeoplePage />;
    case 'person':
      return <PersonPage key={route.subject ?? 'new'} subject={route.subject} />;
    case 'network':
      return <NetworkPage />;
    case 'learning':
    case 'task':
      return (
        <PageBoundary>
          <Suspense fallback={<Loading what="learning" />}>
            <LearningPages route={route} />
          </Suspense>
        </PageBoundary>
      );
    case 'consent':
    case 'consents':
      return (
        <PageBoundary>
          <Suspense fallback={<Loading what="consent" />}>
            <ConsentPages route={route} />
          </Suspense>
        </PageBoundary>
      );
    case 'research':
    case 'ask':
      return (
        <PageBoundary>
          <Suspense fallback={<Loading what="research" />}>
            <ResearchPages route={route} />
          </Suspense>
        </PageBoundary>
      );
    case 'audit':
      return (
        <PageBoundary>
          <Suspense fallback={<Loading what="the audit" />}>
            <AuditPage />
          </Suspense>
        </PageBoundary>
      );
    case 'board':
    case 'entry':
    case 'key':
      return (
        <PageBoundary>
          <Suspense fallback={<Loading what="the board" />}>
            <BoardPages route={route} />
          </Suspense>
        </PageBoundary>
      );
    case 'unknown':
      return (
        <Notice title="There is no such page.">
          <p>
            <a href={routeHref({ page: 'hearts' })}>To the hearts</a>
          </p>
        </Notice>
      );
  }
}

const titles: Readonly<Record<Route['page'], string>> = {
  hearts: 'Hearts',
  patient: 'Patient',
  consent: 'Consent and access',
  consents: 'Consent',
  research: 'Research',
  ask: 'Ask patients',
  audit: 'Audit',
  alerts: 'Alerts',
  people: 'People',
  person: 'Register or change',
  network: 'Network',
  learning: 'Learning',
  task: 'Task',
  board: 'Board',
  entry: 'Entry',
  key: 'Key',
  unknown: 'Not found',
};

/** Keeps the window's title, and moves the focus to the new page's title when the person goes elsewhere. */
function usePageChange(route: Route, openCount: number): void {
  const href = route.page === 'alerts' ? '#/alerts' : routeHref(route);
  const before = useRef(href);
  useEffect(() => {
    document.title = `${openCount > 0 ? `(${openCount}) ` : ''}${titles[route.page]} · Pulsemesh`;
  }, [route.page, openCount]);
  useEffect(() => {
    if (before.current === href) return;
    before.current = href;
    window.scrollTo(0, 0);
    document.querySelector<HTMLElement>('main h1')?.focus({ preventScroll: true });
  }, [href]);
}

/** A sentence for each alert that comes while the page is open; those there at the start are not news. */
function useAnnouncement(state: PageState): string {
  const known = useRef<Set<string> | null>(null);
  const [text, setText] = useState('');
  useEffect(() => {
    if (state.alerts === null) return;
    const news = orderAlerts(state.alerts.values()).filter(
      (alert) => needsAttention(alert) && known.current?.has(alert.alertId) === false,
    );
    known.current = new Set(state.alerts.keys());
    const newest = news[0];
    if (newest !== undefined) setText(`New alert: irregular rhythm, ${newest.patientName ?? 'unregistered device'}`);
  }, [state.alerts]);
  return text;
}
