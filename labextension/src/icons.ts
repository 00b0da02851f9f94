import { LabIcon } from '@jupyterlab/ui-components';

import interruptSvg from '../style/icons/interrupt.svg';
import jobsSvg from '../style/icons/jobs.svg';
import runAsJobSvg from '../style/icons/run-as-job.svg';

export const jobsIcon = new LabIcon({
  name: 'caikit-nb:jobs',
  svgstr: jobsSvg
});

export const runAsJobIcon = new LabIcon({
  name: 'caikit-nb:run-as-job',
  svgstr: runAsJobSvg
});

export const interruptIcon = new LabIcon({
  name: 'caikit-nb:interrupt',
  svgstr: interruptSvg
});
