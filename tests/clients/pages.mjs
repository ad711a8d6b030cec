// Grantor's own pages, as whoever fills them in knows them.

/** Whether the address is one of Grantor's pages, whatever the server. */
const isPage = (url) => url.pathname.startsWith('/u/');

/** Waits for an address; in vain, it says what is shown instead. */
async function arrive(page, where, isThere) {
  try {
    await page.waitForURL(isThere);
  } catch (error) {
    const text = await page.locator('body').innerText().catch(() => '');
    throw new Error(`no way to ${where}; ${page.url()} shows: ${text.slice(0, 1000)}`, { cause: error });
  }
  return new URL(page.url());
}

/** Waits for one of the pages, named as in /u/NAME. */
export function atPage(page, name) {
  return arrive(page, `the page ${name}`, (url) => url.pathname === `/u/${name}`);
}

/** Waits until the pages are done with the user, and answers the application's address. */
export function atApplication(page, origin) {
  return arrive(page, 'the application', (url) => url.origin === origin && !isPage(url));
}

/** Fills in the form that is shown, and submits it. */
export async function fillIn(page, fields) {
  for (const [name, value] of Object.entries(fields)) {
    await page.locator(`input[name="${name}"]`).fill(value);
  }
  await act(page, 'default');
}

/** Presses the button of that action. */
export function act(page, action) {
  return page.locator(`button[name="action"][value="${action}"]`).click();
}

/** Signs in on the page that is shown. */
export async function signIn(page, { email, password }) {
  await atPage(page, 'login');
  await fillIn(page, { username: email, password });
}

/** Signs in, accepts where consent is asked for, and comes back to the application. */
export async function signInTo(origin, page, user) {
  await signIn(page, user);
  const isOn = (url) => url.origin === origin || url.pathname === '/u/consent';
  const url = await arrive(page, 'consent or the application', isOn);
  if (isPage(url)) await act(page, 'accept');
  return atApplication(page, origin);
}
