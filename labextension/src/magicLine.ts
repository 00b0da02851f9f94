/** What the form asks for; empty strings for what is left to the settings. */
export interface IRunOptions {
  readonly name: string;
  readonly out: string;
  readonly startMethod: string;
  readonly retain: string;
  readonly timeout: string;
  readonly experiment: string;
  /** All other options, as they are typed. */
  readonly more: string;
}

export const NO_OPTIONS: IRunOptions = {
  name: '',
  out: '',
  startMethod: '',
  retain: '',
  timeout: '',
  experiment: '',
  more: ''
};

export interface IMagicCell {
  /** What stands behind the magic; null if the cell has none. */
  readonly line: string | null;
  readonly body: string;
}

type Field = keyof IRunOptions;

export const MAGIC = '%%caikit_job';
const FIELDS: Readonly<Record<string, Field>> = {
  '-o': 'out',
  '--out': 'out',
  '-m': 'startMethod',
  '--start-method': 'startMethod',
  '--retain': 'retain',
  '--timeout': 'timeout',
  '-e': 'experiment',
  '--experiment': 'experiment'
};
const FLAGS = ['--next', '--save-with-id', '--wait', '--quiet'];
const TOKEN = /(?:"[^"]*"|'[^']*'|[^\s"'])+/g;

/** Take a cell apart into the magic's line and what it runs. */
export function splitCell(source: string): IMagicCell {
  const match = /^\s*%%caikit_job(?:[ \t]([^\n]*))?(?:\n|$)/.exec(source);
  return match
    ? { line: (match[1] ?? '').trim(), body: source.slice(match[0].length) }
    : { line: null, body: source };
}

/** The cell that runs a body as a job. */
export function joinCell(options: IRunOptions, body: string): string {
  return `${`${MAGIC} ${formatLine(options)}`.trimEnd()}\n${body}`;
}

/** Read a line's options into the form's fields. */
export function parseLine(line: string): IRunOptions {
  const fields: Record<Field, string> = { ...NO_OPTIONS };
  const more: string[] = [];
  const tokens = line.match(TOKEN) ?? [];
  for (let at = 0; at < tokens.length; at++) {
    const token = tokens[at] ?? '';
    const [option, value] = splitOption(token);
    const field = FIELDS[option];
    if (!token.startsWith('-')) {
      addName(fields, more, token);
    } else if (field) {
      addTo(fields, field, unquoted(value ?? tokens[++at] ?? ''));
    } else {
      more.push(token);
      const next = tokens[at + 1];
      if (value === undefined && !FLAGS.includes(token) && next) {
        more.push(next);
        at++;
      }
    }
  }
  return { ...fields, more: more.join(' ') };
}

/** Write the options as a line. */
export function formatLine(options: IRunOptions): string {
  const parts = [
    options.name.trim(),
    option('-o', options.out.replace(/\s*,\s*/g, ',')),
    option('-m', options.startMethod),
    option('--retain', options.retain),
    option('--timeout', options.timeout),
    option('-e', options.experiment),
    options.more.trim()
  ];
  return parts.filter(part => part).join(' ');
}

/** `--out=a` and `-oa` have their value with them. */
function splitOption(token: string): [string, string?] {
  const short = /^(-[a-z])(.+)$/.exec(token);
  if (short?.[1] && short[2]) {
    return [short[1], short[2]];
  }
  const at = token.indexOf('=');
  return at < 0 ? [token] : [token.slice(0, at), token.slice(at + 1)];
}

function addName(
  fields: Record<Field, string>,
  more: string[],
  token: string
): void {
  if (fields.name) {
    more.push(token); // the kernel says what is wrong with it
  } else {
    fields.name = unquoted(token);
  }
}

/** Variables may be named in several options. */
function addTo(
  fields: Record<Field, string>,
  field: Field,
  value: string
): void {
  const isList = field === 'out' && fields.out !== '';
  fields[field] = isList ? `${fields.out},${value}` : value;
}

function option(name: string, value: string): string {
  const given = value.trim();
  return given && `${name} ${quoted(given)}`;
}

function quoted(value: string): string {
  return /^[\w.,:/+-]+$/.test(value)
    ? value
    : `'${value.replaceAll("'", `'"'"'`)}'`;
}

function unquoted(value: string): string {
  return value.replace(/"([^"]*)"|'([^']*)'/g, (_, a?: string, b?: string) => {
    return a ?? b ?? '';
  });
}
