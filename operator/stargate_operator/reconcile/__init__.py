"""One job, pass by pass: observe, decide, describe, write, apply, record. The only writer of jobs and pods."""
