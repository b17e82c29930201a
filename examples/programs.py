"""The standard library's interface to programs, through an actor."""

import os

import pulsing.subprocess as subprocess

os.environ["USE_POLSING_SUBPROCESS"] = "1"

NEEDS = {"resources": {"num_cpus": 0.1}}


def main():
    done = subprocess.run(["echo", "Hello Ada"], capture_output=True, text=True, **NEEDS)
    print(done.stdout.strip())

    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **NEEDS) as cat:
        output, _ = cat.communicate("line by line\nand back\n")
        print(output.splitlines())

    try:
        subprocess.run(["sleep", "60"], timeout=0.1, **NEEDS)
    except subprocess.TimeoutExpired as late:
        print("ended after", late.timeout, "s")


if __name__ == "__main__":
    main()
