import '../styles/board.css';
import '../styles/consent.css';
import type { Route } from '../state/route.ts';
import { useArrival } from '../state/use-arrival.ts';
import { ConsentPage } from './consent-page.tsx';
import { ConsentsPage } from './consents-page.tsx';

/** The pages of consent at a home; fetched when somebody goes there. */
export default function ConsentPages({ route }: { readonly route: Extract<Route, { page: 'consent' | 'consents' }> }) {
  useArrival(route);
  if (route.page === 'consents') return <ConsentsPage />;
  return <ConsentPage key={route.subject} subject={route.subject} />;
}
