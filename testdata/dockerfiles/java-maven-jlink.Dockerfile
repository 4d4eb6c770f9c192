FROM maven:3.9-eclipse-temurin-21 AS build
WORKDIR /workspace
COPY pom.xml .
COPY */pom.xml ./modules/
RUN --mount=type=cache,target=/root/.m2 mvn -B -q dependency:go-offline
COPY src ./src
RUN --mount=type=cache,target=/root/.m2,sharing=locked \
    --mount=type=secret,id=maven-settings,target=/root/.m2/settings.xml,required=true \
    mvn -B -DskipTests package

FROM eclipse-temurin:21-jdk AS jre
COPY --from=build /workspace/target/*.jar app.jar
RUN $JAVA_HOME/bin/jlink \
         --add-modules $(jdeps --ignore-missing-deps -q --print-module-deps app.jar),jdk.crypto.ec \
         --strip-debug \
         --no-man-pages \
         --no-header-files \
         --compress=2 \
         --output /javaruntime

FROM debian:bookworm-slim
ENV JAVA_HOME=/opt/java/openjdk
ENV PATH "${JAVA_HOME}/bin:${PATH}"
COPY --from=jre /javaruntime $JAVA_HOME
RUN mkdir /opt/app
COPY --from=build /workspace/target/*.jar /opt/app/app.jar
ENV JAVA_TOOL_OPTIONS="-XX:MaxRAMPercentage=75 -XX:+ExitOnOutOfMemoryError"
CMD ["java", "-jar", "/opt/app/app.jar"]
