/** The commands, and the names under which settings and other extensions know them. */
export const CommandIds = {
  cancel: 'caikit-nb:cancel',
  goToCell: 'caikit-nb:go-to-cell',
  interrupt: 'caikit-nb:interrupt',
  load: 'caikit-nb:load',
  runAsJob: 'caikit-nb:run-as-job',
  runAsJobWith: 'caikit-nb:run-as-job-with-options',
  showLog: 'caikit-nb:show-log',
  showPanel: 'caikit-nb:show-jobs',
  shutDown: 'caikit-nb:shut-down-kernel',
  shutDownAndClose: 'caikit-nb:close-and-shut-down',
  allowDesktop: 'caikit-nb:allow-desktop-notifications'
} as const;
