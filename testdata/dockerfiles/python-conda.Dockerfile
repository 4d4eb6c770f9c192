FROM condaforge/miniforge3:24.9.0-0 AS build
COPY environment.yml .
RUN mamba env create -f environment.yml --name app && mamba clean -afy
RUN mamba install -y conda-pack
RUN conda-pack -n app -o /tmp/env.tar && \
  mkdir /venv && cd /venv && tar xf /tmp/env.tar && \
  rm /tmp/env.tar
RUN /venv/bin/conda-unpack


FROM debian:bookworm AS runtime
COPY --from=build /venv /venv
SHELL ["/bin/bash", "--login", "-o", "pipefail", "-c"]
RUN echo "source /venv/bin/activate" >> ~/.bashrc && \
    python -c "import sys; \
               print(sys.version)"
ENTRYPOINT source /venv/bin/activate && \
           python -m app
