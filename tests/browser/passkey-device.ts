import type { CDPSession, Page } from 'playwright-core';

/** An authenticator without a finger: Chromium's own, told through its debugging protocol. */
export async function addPasskeyDevice(page: Page, hasPrf: boolean): Promise<CDPSession> {
  const session = await page.context().newCDPSession(page);
  await session.send('WebAuthn.enable');
  await session.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      ctap2Version: 'ctap2_1',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      hasPrf,
    },
  });
  return session;
}
