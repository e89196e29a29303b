import type { PatientInput } from '@pulsemesh/node/api';
import { cleanup, fireEvent, render, screen, waitFor, within } from '@testing-library/react';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { ScoreRibbon } from '../charts/score-ribbon.tsx';
import { emptyDraft } from '../state/patient-form.ts';
import { alertOf, overviewOf } from '../testing.ts';
import { AlertItem, type AlertItemProps } from './alert-item.tsx';
import { KeyForm } from './key-form.tsx';
import { PatientForm } from './patient-form.tsx';
import { Shell, type ShellProps } from './shell.tsx';

afterEach(cleanup);

const type = (label: string | RegExp, value: string) =>
  fireEvent.change(screen.getByLabelText(label), { target: { value } });

describe('an alert', () => {
  const show = (change: Partial<AlertItemProps> = {}) => {
    const props: AlertItemProps = {
      alert: alertOf(),
      nowMs: 0,
      isTarget: false,
      savedName: '',
      onAcknowledge: async () => {},
      ...change,
    };
    return render(
      <ul>
        <AlertItem {...props} />
      </ul>,
    );
  };

  it('asks for a name before it is acknowledged', async () => {
    const onAcknowledge = vi.fn(async () => {});
    show({ onAcknowledge });
    fireEvent.click(screen.getByRole('button', { name: /acknowledge/i }));
    expect(screen.getByRole('alert').textContent).toContain('Enter your name');
    type('Your name', ' Dr. Keller ');
    fireEvent.click(screen.getByRole('button', { name: /acknowledge/i }));
    await waitFor(() => expect(onAcknowledge).toHaveBeenCalledWith('b'.repeat(32), 'Dr. Keller'));
  });

  it('offers the name it knows, and lets another take its place', () => {
    show({ savedName: 'Dr. Keller' });
    expect(screen.getByRole('button', { name: /acknowledge as dr\. keller the alert of amina okafor/i })).toBeTruthy();
    fireEvent.click(screen.getByRole('button', { name: 'Not you?' }));
    expect(screen.getByLabelText('Your name')).toBeTruthy();
  });

  it('says when the server did not take it', async () => {
    show({ savedName: 'Dr. Keller', onAcknowledge: () => Promise.reject(new Error('The server does not answer.')) });
    fireEvent.click(screen.getByRole('button', { name: /acknowledge/i }));
    const problem = await screen.findByRole('alert');
    expect(problem.textContent).toBe('Not acknowledged. The server does not answer.');
  });

  it('says who has seen it, how many mails went out and when it ended', () => {
    const acknowledged = { by: 'Dr. Keller', atMs: 2_000_000 };
    show({ alert: alertOf({ acknowledged, notifiedCount: 2, resolvedMs: 1_600_000 }) });
    const item = screen.getByRole('listitem');
    expect(item.textContent).toMatch(/by Dr\. Keller/);
    expect(item.textContent).toMatch(/2 mails/);
    expect(item.textContent).toMatch(/has ended/);
    expect(item.textContent).toMatch(/after 10 min/);
    expect(within(item).queryByRole('button')).toBeNull();
  });
});

describe('the registration form', () => {
  const show = (onSubmit: (input: PatientInput) => Promise<void>) =>
    render(
      <PatientForm
        initial={emptyDraft}
        isUserIdFixed={false}
        submitLabel="Register"
        onSubmit={onSubmit}
        cancelHref="#/people"
      />,
    );

  it('sends nothing until it is right, and says beside each field what is missing', () => {
    const onSubmit = vi.fn(async () => {});
    show(onSubmit);
    fireEvent.click(screen.getByRole('button', { name: 'Register' }));
    expect(screen.getByLabelText('Name').getAttribute('aria-invalid')).toBe('true');
    expect(screen.getByText('Enter an e-mail address.')).toBeTruthy();
    expect(document.activeElement).toBe(screen.getByLabelText("Device's user id"));
    expect(onSubmit).not.toHaveBeenCalled();
  });

  it('sends a patient with a doctor who is told', async () => {
    const sent: PatientInput[] = [];
    show(async (input) => void sent.push(input));
    type("Device's user id", 'QmX');
    type('Name', 'Amina');
    type('E-mail', 'amina@example.org');
    fireEvent.click(screen.getByLabelText('This patient has a doctor who may be told'));
    type("Doctor's name", 'Dr. Keller');
    type("Doctor's e-mail", 'keller@example.org');
    fireEvent.change(screen.getByLabelText("Language of the doctor's mails"), { target: { value: 'de' } });
    fireEvent.click(screen.getByRole('button', { name: 'Register' }));
    await waitFor(() => expect(sent).toHaveLength(1));
    expect(sent[0]?.doctor).toEqual({ name: 'Dr. Keller', email: 'keller@example.org', language: 'de' });
    expect(sent[0]?.tells).toEqual({ patient: true, doctor: true });
  });

  it('shows what the server said no to', async () => {
    show(() => Promise.reject(new Error('That user id is taken.')));
    type("Device's user id", 'QmX');
    type('Name', 'Amina');
    type('E-mail', 'amina@example.org');
    fireEvent.click(screen.getByRole('button', { name: 'Register' }));
    expect((await screen.findByRole('alert')).textContent).toBe('Not saved. That user id is taken.');
  });
});

describe('the form for the key', () => {
  it('takes a pasted address', () => {
    const onKey = vi.fn();
    render(<KeyForm reason="missing" onKey={onKey} />);
    fireEvent.click(screen.getByRole('button', { name: 'Open' }));
    expect(screen.getByRole('alert').textContent).toContain('no access key');
    type('Address or access key', 'http://localhost:8080/#token=abc');
    fireEvent.click(screen.getByRole('button', { name: 'Open' }));
    expect(onKey).toHaveBeenCalledWith('abc');
  });

  it('says when a key was refused', () => {
    render(<KeyForm reason="refused" onKey={() => {}} />);
    expect(screen.getByRole('heading', { name: 'This access key is not accepted' })).toBeTruthy();
  });
});

describe('the frame', () => {
  const show = (change: Partial<ShellProps> = {}) =>
    render(
      <Shell
        route={{ page: 'hearts' }}
        connection={{ kind: 'live' }}
        overview={overviewOf()}
        profile={null}
        openCount={0}
        announcement=""
        theme="auto"
        onTheme={() => {}}
        onRetry={() => {}}
        {...change}
      >
        <p>content</p>
      </Shell>,
    );

  it('says where one is and how many alerts wait', () => {
    show({ openCount: 3 });
    expect(screen.getByRole('link', { name: 'Hearts', current: 'page' })).toBeTruthy();
    expect(screen.getByRole('link', { name: /alerts 3 need attention/i })).toBeTruthy();
  });

  it('says that the page is old while offline, and tries again when asked', () => {
    const onRetry = vi.fn();
    show({ connection: { kind: 'offline', attempt: 4, sinceMs: 0 }, onRetry });
    expect(screen.getByText(/No connection to the server/).textContent).toMatch(/what was known at \d\d:\d\d:\d\d/);
    fireEvent.click(screen.getByRole('button', { name: 'Try now' }));
    expect(onRetry).toHaveBeenCalledOnce();
  });

  it('says how fast recordings are replayed, and nothing where hearts are live', () => {
    show({ overview: overviewOf({ replaySpeed: 10 }) });
    expect(screen.getByText(/10× faster than life/)).toBeTruthy();
    cleanup();
    show();
    expect(screen.queryByText(/faster than life/)).toBeNull();
  });

  it('switches colours', () => {
    const onTheme = vi.fn();
    show({ onTheme });
    fireEvent.click(screen.getByRole('radio', { name: 'Dark' }));
    expect(onTheme).toHaveBeenCalledWith('dark');
  });
});

describe('the ribbon', () => {
  it('says in words what it shows', () => {
    const base = { subject: '', readingCount: 10, missingSeconds: 0 };
    const windows = [
      { ...base, startMs: 0, isUsable: true, score: 0.1 },
      { ...base, startMs: 10_000, isUsable: true, score: 0.9 },
      { ...base, startMs: 30_000, isUsable: false, score: null },
    ];
    render(<ScoreRibbon windows={windows} places={3} spanLabel="last 30 s" />);
    expect(screen.getByRole('img', { name: /last 30 s: 1 irregular, 1 not usable/ })).toBeTruthy();
  });
});
