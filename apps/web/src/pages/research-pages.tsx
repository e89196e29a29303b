import '../styles/board.css';
import '../styles/consent.css';
import { useCallback } from 'react';
import { LedgerNote } from '../components/consent/parts.tsx';
import { Notice, PageTitle } from '../components/small.tsx';
import { researchOf } from '../consent/consent-api.ts';
import { useLoaded } from '../consent/use-loaded.ts';
import { usePageState, useTools } from '../state/hooks.ts';
import type { Route } from '../state/route.ts';
import { useArrival } from '../state/use-arrival.ts';
import { AskPage } from './ask-page.tsx';
import { LoadProblem } from './consent-page.tsx';
import { ResearchPage } from './research-page.tsx';

/** The pages of a researcher's office; fetched when somebody goes there. */
export default function ResearchPages({ route }: { readonly route: Extract<Route, { page: 'research' | 'ask' }> }) {
  useArrival(route);
  const { client } = useTools();
  const { profile } = usePageState();
  const load = useCallback((signal: AbortSignal) => researchOf(client).view(signal), [client]);
  const loaded = useLoaded(load);
  if (profile !== null && profile.kind !== 'research') {
    return (
      <>
        <PageTitle>Research</PageTitle>
        <Notice title="This node is no researcher’s office.">
          <p>The operator can set one up: the role is called research.</p>
        </Notice>
      </>
    );
  }
  const ledger = profile?.ledger ?? null;
  return (
    <>
      <PageTitle
        aside={
          loaded.value === null ? null : (
            <span className="title-aside">
              <bdi>{loaded.value.organisation}</bdi>
            </span>
          )
        }
      >
        {route.page === 'research' ? 'Research' : 'Ask patients'}
      </PageTitle>
      {profile === null ? null : <LedgerNote ledger={ledger} />}
      <LoadProblem loaded={loaded} what="the office" />
      {loaded.value === null ? null : route.page === 'research' ? (
        <ResearchPage view={loaded.value} put={loaded.put} ledger={ledger} />
      ) : (
        <AskPage view={loaded.value} reload={loaded.reload} ledger={ledger} />
      )}
    </>
  );
}
