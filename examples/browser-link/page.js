import { connect } from './link.js';

const status = document.querySelector('[role=status]');
document.querySelector('#question').addEventListener('submit', async (event) => {
  event.preventDefault();
  const { server, to, name, text } = Object.fromEntries(new FormData(event.target));
  try {
    const link = await connect(location.origin, server);
    status.textContent = await link.request(to, name, text);
    link.close();
  } catch (error) {
    status.textContent = `Not answered: ${error.message}`;
  }
});
