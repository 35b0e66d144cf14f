// The page of the admin listener: the status, kept live by /events. All text goes in as text, never as HTML.
'use strict';

const $ = (id) => document.getElementById(id);
const TONES = {
  in_sync: 'good', accepted: 'good', confirming: 'busy', due: 'busy', retrying: 'warn', paused: 'warn', parked: 'bad', stopped: 'calm',
};
const WORDS = { in_sync: 'in sync' };
// What needs a person comes first.
const ORDER = ['parked', 'retrying', 'paused', 'confirming', 'due', 'stopped', 'accepted', 'in_sync'];
const VERDICTS = { accepted: 'good', duplicate: 'calm', ignored: 'calm', not_configured: 'warn', alert: 'bad', confirmed: 'good' };

const targets = new Map();
let notices = [];
let refused = [];
let notReady = [];
let token = null;
let chosen = null;
let openedBy = null;
let ahead = 0; // The relay's clock before ours, in ms.

const now = () => Date.now() + ahead;
const at = (time) => new Date(time).getTime();
const word = (state) => WORDS[state] ?? state.replaceAll('_', ' ');

function span(ms) {
  const s = Math.max(0, ms) / 1000;
  if (s < 1) return `${Math.round(s * 1000)} ms`;
  if (s < 60) return `${s < 10 ? s.toFixed(1) : Math.round(s)} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${Math.round(s % 60)} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor(s % 3600 / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor(s % 86400 / 3600)} h`;
}

function clock(time) {
  const date = new Date(time);
  const today = date.toDateString() === new Date(now()).toDateString();
  const day = today ? '' : `${date.toLocaleDateString(undefined, { month: 'short', day: 'numeric' })} `;
  const element = make('time', null, day + date.toLocaleTimeString(undefined, { hour12: false }));
  element.dateTime = time;
  element.title = time;
  return element;
}

function make(name, className, ...children) {
  const element = document.createElement(name);
  if (className) element.className = className;
  element.append(...children.filter((child) => child !== null && child !== ''));
  return element;
}

const chip = (text, tone) => make('span', `chip ${tone}`, text);
const stale = (target) => (target.stale_since ? now() - at(target.stale_since) : 0);

// ---- what is shown ----

function compare(a, b) {
  return ORDER.indexOf(a.state) - ORDER.indexOf(b.state) || stale(b) - stale(a) || a.target.localeCompare(b.target);
}

function hint(target) {
  if (target.state === 'paused') return `paused: ${target.paused.reason}`;
  if (target.failure) return target.failure.message;
  if (target.next_try) return `next try ${new Date(target.next_try).toLocaleTimeString(undefined, { hour12: false })}`;
  return '';
}

function row(target) {
  const late = stale(target);
  const button = make('button', null,
    chip(word(target.state), TONES[target.state] ?? 'calm'),
    make('span', 'name', target.target),
    make('span', 'stale', late > 0 ? `behind for ${span(late)}` : ''),
    make('span', 'hint', hint(target)));
  button.type = 'button';
  button.dataset.target = target.target;
  button.setAttribute('aria-expanded', String(target.target === chosen));
  button.setAttribute('aria-controls', 'detail');
  return make('li', null, button);
}

function showFleet() {
  const wanted = $('filter').value.trim().toLowerCase();
  const fits = (target) => `${target.target} ${word(target.state)}`.toLowerCase().includes(wanted);
  const shown = [...targets.values()].filter(fits).sort(compare);
  const focused = document.activeElement?.dataset?.target;
  $('fleet').replaceChildren(...shown.map(row));
  if (focused) $('fleet').querySelector(`[data-target="${CSS.escape(focused)}"]`)?.focus();
  $('none').hidden = shown.length > 0;
  $('none').textContent = targets.size === 0 ? 'The configuration has no targets.' : 'No target fits.';
}

function showVerdict() {
  const all = [...targets.values()];
  const count = (state) => all.filter((target) => target.state === state).length;
  const behind = all.filter((target) => target.stale_since).sort((a, b) => stale(b) - stale(a));
  const stuck = count('parked');
  const many = (n, one, more) => `${n} ${n === 1 ? one : more}`;
  let [tone, headline, subline] = ['good', 'Every value has arrived', ''];
  if (stuck > 0) {
    tone = 'bad';
    headline = many(stuck, 'target needs a person', 'targets need a person');
  } else if (behind.length > 0) {
    tone = count('retrying') + count('paused') > 0 ? 'warn' : 'busy';
    headline = many(behind.length, 'target is behind AWS', 'targets are behind AWS');
  } else if (count('due') > 0) {
    tone = 'busy';
    headline = 'Targets are being looked at';
  } else if (count('retrying') + count('paused') > 0) {
    tone = 'warn';
    headline = many(count('retrying') + count('paused'), 'target is held up', 'targets are held up');
  }
  if (behind.length > 0) subline = `${behind[0].target} has been behind for ${span(stale(behind[0]))}, the longest.`;
  if (notReady.length > 0) subline = `Not ready: ${notReady.join(', ')}. ${subline}`;
  if ($('headline').textContent !== headline) $('headline').textContent = headline;
  $('subline').textContent = subline;
  $('verdict').dataset.tone = tone;
  const present = ORDER.filter((state) => count(state) > 0);
  $('counts').replaceChildren(...present.map((state) =>
    make('li', null, chip(`${count(state)} ${word(state)}`, TONES[state]))));
  document.title = `${stuck > 0 || behind.length > 0 ? '● ' : ''}${headline} · anypoint-relay`;
}

function step(name, time, before) {
  const item = make('li', time ? 'done' : '', make('b', null, name));
  if (time) item.append(clock(time));
  if (time && before) item.append(make('span', null, `+${span(at(time) - at(before))}`));
  if (!time) item.append(make('span', null, 'not yet'));
  return item;
}

function showTimeline(delivery) {
  $('no-write').hidden = delivery !== null;
  $('timeline').hidden = delivery === null;
  if (delivery === null) return;
  const { notified, read, written, confirmed } = delivery;
  $('timeline').replaceChildren(
    step('notified', notified), step('read', read, notified), step('written', written, read),
    step('confirmed', confirmed, written));
}

function run(line) {
  const did = { observed: 'looked', wrote: 'wrote', confirmed: 'looked for the proof' }[line.did];
  const parts = [`${did} in ${span(line.duration_seconds * 1000)}`, line.reasons.join(', '), line.why ?? ''];
  const item = make('li', null, clock(line.at), chip(word(line.outcome), TONES[line.outcome] ?? 'calm'),
    make('span', 'more', parts.filter(Boolean).join(' · ')));
  if (line.failure) item.lastChild.append(make('span', 'failure', ` ${line.failure.message}`));
  return item;
}

function advice(target) {
  const blocks = [];
  const block = (title, text, tone) => blocks.push(make('div', `advice ${tone ?? ''}`, make('strong', null, title), text));
  if (target.failure) block(`Why: ${word(target.failure.code)}`, target.failure.message, 'bad');
  if (target.paused) {
    const until = target.paused.until ? `, until ${new Date(target.paused.until).toLocaleString()}` : '';
    block('Paused', `${target.paused.reason}${until}${target.held_back ? '. A run waits for its end.' : ''}`, 'warn');
  }
  if (target.next_step) block('What to do', target.next_step);
  for (const note of target.notes) block('Note', note);
  return blocks;
}

function showDetail() {
  const target = targets.get(chosen);
  $('detail').hidden = !target;
  $('columns').classList.toggle('open', Boolean(target));
  if (!target) return;
  const late = stale(target);
  $('detail-title').textContent = target.target;
  const since = target.since ? [' since ', clock(target.since)] : [];
  const next = target.next_try ? [' · next try ', clock(target.next_try)] : [];
  $('detail-state').replaceChildren(chip(word(target.state), TONES[target.state] ?? 'calm'), ...since,
    late > 0 ? ` · behind AWS for ${span(late)}` : '', ...next);
  $('why').replaceChildren(...advice(target));
  showTimeline(target.delivery);
  $('pause').hidden = $('for').hidden = target.paused !== null;
  $('resume').hidden = target.paused === null;
  const secrets = [...new Set([...Object.keys(target.wanted), ...Object.keys(target.delivered)])].sort();
  $('versions').tBodies[0].replaceChildren(...secrets.map((secret) => make('tr', null,
    make('td', null, secret),
    make('td', 'mono', target.wanted[secret] ?? 'not known'),
    make('td', 'mono', target.delivered[secret] ?? 'not known'))));
  $('history').replaceChildren(...target.history.map(run));
}

function notice(heard) {
  const what = [heard.secret ?? '', heard.code ? word(heard.code) : '',
    heard.enqueued > 0 ? `${heard.enqueued} due` : '', heard.count > 1 ? `${heard.count} times` : ''];
  return make('li', null, clock(heard.at), chip(word(heard.verdict), VERDICTS[heard.verdict] ?? 'bad'),
    make('span', 'more', [heard.route, ...what].filter(Boolean).join(' · ')));
}

function showNotices() {
  const all = [...notices, ...refused].sort((a, b) => at(b.at) - at(a.at)).slice(0, 30);
  $('notices').replaceChildren(...all.map(notice));
  $('silence').hidden = all.length > 0;
}

function show() {
  showVerdict();
  showFleet();
  showDetail();
  showNotices();
}

// ---- what is asked ----

function ask(path, options = {}) {
  const headers = { ...options.headers };
  if (token) headers.authorization = `Bearer ${token}`;
  return fetch(path, { ...options, headers, cache: 'no-store', redirect: 'error', signal: options.signal });
}

async function problem(response) {
  const body = await response.json().catch(() => ({}));
  return `${body.title ?? `HTTP ${response.status}`}: ${body.detail ?? 'look at the log of the relay'}`;
}

function live(state, text) {
  $('live').dataset.state = state;
  if ($('live').textContent !== text) $('live').textContent = text;
}

function login(why) {
  token = null;
  $('board').hidden = true;
  $('login').hidden = false;
  $('refused').textContent = why;
  live('wait', 'waiting for a token');
  $('token').focus();
}

async function load() {
  const response = await ask('status');
  if (!response.ok) throw Object.assign(new Error(await problem(response)), { status: response.status });
  const page = await response.json();
  ahead = at(page.at) - Date.now();
  $('version').textContent = page.version;
  targets.clear();
  for (const target of page.targets) targets.set(target.target, target);
  ({ notifications: notices, refused, not_ready: notReady } = page);
  $('login').hidden = true;
  $('board').hidden = false;
  show();
}

function take(name, data) {
  if (name === 'target') {
    ahead = at(data.at) - Date.now();
    targets.set(data.target.target, data.target);
    showVerdict();
    showFleet();
    if (data.target.target === chosen) showDetail();
  } else if (name === 'notification') {
    const like = (other) => other.route === data.route && other.code === data.code;
    // The relay counts equal ones in a row as one, which comes again each time.
    const again = data.count > 1 && notices[0] && like(notices[0])
      && notices[0].verdict === data.verdict && notices[0].secret === data.secret;
    if (data.code) refused = [data, ...refused.filter((other) => !like(other))];
    else notices = [data, ...notices.slice(again ? 1 : 0)].slice(0, 100);
    showNotices();
  } else if (name === 'resync') {
    return load();
  }
}

// EventSource can send no token, so the stream is read by hand.
async function listen() {
  const response = await ask('events');
  if (!response.ok) throw Object.assign(new Error(await problem(response)), { status: response.status });
  await load();
  live('live', 'live');
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let text = ''; ;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    const blocks = text.split('\n\n');
    text = blocks.pop();
    for (const block of blocks) {
      const lines = block.split('\n');
      const field = (name) => lines.find((line) => line.startsWith(`${name}:`))?.slice(name.length + 1).trim();
      if (field('data')) await take(field('event'), JSON.parse(field('data')));
    }
  }
}

const pause = (ms) => new Promise((done) => { setTimeout(done, ms); });

async function follow() {
  for (let wait = 1000; ; wait = Math.min(wait * 2, 15000)) {
    try {
      await listen();
      wait = 500;
      live('lost', 'the relay has let go; asking again');
    } catch (error) {
      if (error.status === 401) return login(token ? error.message : '');
      live('lost', error.status ? error.message : 'no relay answers; asking again');
    }
    await pause(wait);
  }
}

async function act(action) {
  const name = chosen;
  const wish = { reason: $('reason').value.trim() };
  if (action === 'pause' && $('for').value) wish.for = $('for').value;
  $('acted').textContent = 'asking';
  try {
    const response = await ask(`targets/${encodeURIComponent(name)}/${action}`, {
      method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(wish),
    });
    if (!response.ok) {
      $('acted').textContent = await problem(response);
      return;
    }
    const answer = await response.json();
    take('target', answer);
    const done = { retry: 'It is tried now.', sync: 'It is looked at now.', pause: 'It is paused.', resume: 'It goes on.' };
    const lasts = answer.survives_restart === false ? ' A restart of the relay ends that.' : '';
    $('acted').textContent = done[action] + lasts;
    $('reason').value = '';
  } catch {
    $('acted').textContent = 'No relay answers; try again in a moment.';
  }
}

// ---- what is pressed ----

function choose(name) {
  chosen = name;
  history.replaceState(null, '', name ? `#${encodeURIComponent(name)}` : location.pathname);
  $('acted').textContent = '';
  showFleet();
  showDetail();
  if (name) {
    $('detail').scrollTop = 0;
    $('detail-title').focus();
  } else if (openedBy) {
    $('fleet').querySelector(`[data-target="${CSS.escape(openedBy)}"]`)?.focus();
  }
}

$('fleet').addEventListener('click', (event) => {
  const name = event.target.closest('button')?.dataset.target;
  if (!name) return;
  openedBy = name;
  choose(name === chosen ? null : name);
});
$('close').addEventListener('click', () => choose(null));
document.addEventListener('keydown', (event) => {
  if (event.key === 'Escape' && chosen) choose(null);
});
$('filter').addEventListener('input', showFleet);
$('act').addEventListener('submit', (event) => {
  event.preventDefault();
  act(event.submitter?.value ?? 'retry');
});
$('login').addEventListener('submit', (event) => {
  event.preventDefault();
  token = $('token').value.trim();
  $('token').value = '';
  follow();
});
// Staleness grows by itself.
setInterval(() => {
  if ($('board').hidden || ![...targets.values()].some((target) => target.stale_since)) return;
  showVerdict();
  showFleet();
}, 1000);

chosen = location.hash ? decodeURIComponent(location.hash.slice(1)) : null;
follow();
