import { describe, expect, it } from 'vitest';
import { overviewOf, patientOf } from '../testing.ts';
import { AccessRefusedError, ApiClient, RequestRefusedError, UnreachableError } from './client.ts';
import { listItemsMax, UnexpectedShapeError } from './decode.ts';

function answering(answer: () => Response | Promise<Response>) {
  const asked: { url: string; init: RequestInit }[] = [];
  const client = new ApiClient(
    { baseUrl: '', token: 'secret key' },
    {
      fetch: async (input, init) => {
        asked.push({ url: String(input), init: init ?? {} });
        return answer();
      },
    },
  );
  return { client, asked };
}

describe('the API client', () => {
  it('shows its key in a header, and in the address of the live stream only', async () => {
    const { client, asked } = answering(() => Response.json(overviewOf()));
    await client.overview();
    expect(asked[0]?.url).toBe('/api/v1/overview');
    expect(new Headers(asked[0]?.init.headers).get('authorization')).toBe('Bearer secret key');
    expect(client.liveUrl).toBe('/api/v1/live?token=secret%20key');
  });

  it('asks for a span of history in whole milliseconds', async () => {
    const { client, asked } = answering(() => Response.json({ windows: [] }));
    expect(await client.windows('a/b', { fromMs: 1.5, untilMs: 2.5 })).toEqual([]);
    expect(asked[0]?.url).toBe('/api/v1/patients/a%2Fb/windows?fromMs=1&untilMs=3');
  });

  it('sends who acknowledges', async () => {
    const { client, asked } = answering(() => Response.json({}));
    await expect(client.acknowledge('x', 'Dr. Keller')).rejects.toThrow(UnexpectedShapeError);
    expect(asked[0]).toMatchObject({
      url: '/api/v1/alerts/x/acknowledge',
      init: { method: 'POST', body: '{"by":"Dr. Keller"}' },
    });
  });

  it('tells a refused key, a refused request and a silent server apart', async () => {
    await expect(answering(() => new Response(null, { status: 401 })).client.alerts()).rejects.toThrow(
      AccessRefusedError,
    );
    const refused = answering(() => Response.json({ message: 'That name is taken.' }, { status: 409 })).client;
    await expect(refused.alerts()).rejects.toThrow(new RequestRefusedError(409, 'That name is taken.'));
    const wordless = answering(() => new Response('<html>', { status: 502 })).client;
    await expect(wordless.alerts()).rejects.toThrow('The server answered 502.');
    const away = answering(() => Promise.reject(new TypeError('failed to fetch'))).client;
    await expect(away.alerts()).rejects.toThrow(UnreachableError);
  });

  it.each([
    ['a missing field', { ...patientOf(), userId: undefined }],
    ['a number where a text belongs', { ...patientOf(), name: 5 }],
    ['a text too long', { ...patientOf(), name: 'x'.repeat(4_097) }],
    ['a word not in the list', { ...patientOf(), language: 'xx' }],
  ])('refuses %s', async (_what, patient) => {
    const body = JSON.stringify({ patients: [patient] });
    const { client } = answering(() => new Response(body));
    await expect(client.patients()).rejects.toThrow(UnexpectedShapeError);
  });

  it('refuses a list longer than its limit', async () => {
    const { client } = answering(() => Response.json({ alerts: Array.from({ length: listItemsMax + 1 }, () => 0) }));
    await expect(client.alerts()).rejects.toThrow('expected a list');
  });
});
