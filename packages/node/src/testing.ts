export { createFakeBackend, type FakeBackend } from './gateway/fake-backend.ts';
