"""From stored records to numbers, figures and verdicts; needs neither torch nor MuJoCo nor Gymnasium."""
